"""One table for all methods: test sets, measuring, running, joining.

It knows nothing of commands or of how a table looks.
"""
