"""One spelling for a class name, whatever its case, spaces and underscores."""


def plain_name(name: str) -> str:
    """A name without regard to case, spaces and underscores: names that agree in it are one name."""
    return " ".join(name.replace("_", " ").split()).casefold()
