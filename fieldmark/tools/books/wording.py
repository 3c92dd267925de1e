"""Joins class names and descriptors into prompts."""

from collections.abc import Mapping, Sequence

_VOWELS = frozenset("aeiou")


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase, by its first letter."""
    return f"{'an' if phrase[:1].lower() in _VOWELS else 'a'} {phrase}"


def class_text(name: str) -> str:
    """The plain prompt of a class: "a photo of a {name}."."""
    return f"a photo of {with_article(name)}."


def descriptor_text(name: str, descriptor: str) -> str:
    """The prompt of a class with one descriptor: "a photo of a {name}, which has {descriptor}."."""
    return f"a photo of {with_article(name)}, which has {descriptor}."


def descriptor_prompt(name: str, descriptor: str, *, after: str = "") -> str:
    """Join a class name and a descriptor as the authors do: "{name}, which has {descriptor}".

    The clause is chosen by the bare first letters of the descriptor, not by its first word: "also
    striped" and "are long" begin with "a" and so give "which is ...".

    Source: Menon & Vondrick 2023, released code (`make_descriptor_sentence`).

    Args:
        name: Class name; underscores become spaces.
        descriptor: The descriptor, used as given; may be empty.
        after: Put after the descriptor; "." for ImageNet in the released code, else nothing.
    """
    if descriptor.startswith("a"):
        clause = f"which is {descriptor}"
    elif descriptor.startswith(("has", "often", "typically", "may", "can")):
        clause = f"which {descriptor}"
    elif descriptor.startswith("used"):
        clause = f"which is {descriptor}"
    else:
        clause = f"which has {descriptor}"
    return f"{name.replace('_', ' ')}, {clause}{after}"


def descriptor_prompts(descriptors: Mapping[str, Sequence[str]], *, after: str = "") -> dict[str, list[str]]:
    """The prompts of every class of a descriptor file, in the file's order of classes.

    Args:
        descriptors: Class name to descriptors, as in the published files. A class with an empty list
            gets the one prompt "{name}, which has ", as in the released code.
        after: See `descriptor_prompt`.

    Returns:
        Class name to prompts; duplicates are kept and count twice.
    """
    return {
        name: [descriptor_prompt(name, item, after=after) for item in (items or [""])]
        for name, items in descriptors.items()
    }
