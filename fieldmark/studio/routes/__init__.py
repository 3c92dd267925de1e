"""The addresses of the studio: each reads a record, or passes on what was said, and fills a template."""
