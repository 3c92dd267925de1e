"""The scripted field guide: answers questions about the embedded world over HTTP."""
