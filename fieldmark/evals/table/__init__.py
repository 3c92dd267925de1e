"""One table for all methods: test sets, measuring, running, joining."""
