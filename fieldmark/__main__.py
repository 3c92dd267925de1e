"""`python -m fieldmark`: the command line where the `fieldmark` command is not on the path.

It knows nothing else.
"""

from fieldmark.cli import main

if __name__ == "__main__":
    main()
