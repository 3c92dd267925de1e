"""What must never be paid for twice: keys, the byte store and the vector store."""
