"""The wording of prompts that are compared with images: names, descriptors, values."""

_VOWELS = frozenset("aeiou")


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase, by its first letter."""
    return f"{'an' if phrase[:1].lower() in _VOWELS else 'a'} {phrase}"


def class_text(name: str) -> str:
    """The plain prompt of a class: "a photo of a {name}."."""
    return f"a photo of {with_article(name)}."


def descriptor_text(name: str, mark: str) -> str:
    """The prompt of a class with one mark: "a photo of a {name}, which has {mark}."."""
    return f"a photo of {with_article(name)}, which has {mark}."
