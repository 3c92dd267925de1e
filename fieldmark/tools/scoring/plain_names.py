"""One spelling for a class name, whatever its case, spaces and underscores.

It knows nothing of where names come from, or of who compares them.
"""


def plain_name(name: str) -> str:
    """A name without regard to case, spaces and underscores: names that agree in it are one name."""
    return " ".join(name.replace("_", " ").split()).casefold()
