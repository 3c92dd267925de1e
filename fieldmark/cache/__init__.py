"""What must never be paid for twice: keys, the byte store and the vector store.

It knows nothing of models, prompts or images: callers bring the keys, and it sees bytes, rows and arrays.
"""
