"""The addresses of concepts: each shows a record, keeps what was said, or has a conversation go on."""
