"""How the aviary's marks, habitats and lights are put into English: phrases and training captions."""

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, KEYS, NONE

# The first wording of every entry is the plain one.
_COLOUR_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "golden", "lemon"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure", "cobalt"),
    "purple": ("purple", "violet"),
    "brown": ("brown", "chestnut"),
    "black": ("black", "jet-black", "sooty"),
    "white": ("white", "snowy"),
    "grey": ("grey", "gray", "ashy"),
    "pink": ("pink", "rosy"),
    "teal": ("teal", "turquoise"),
})  # fmt: skip

# {a} stands for the colour word with its article, {c} for the bare word.
_COLOUR_FORMS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "body": ("{a} body", "{c} plumage", "{c} feathers on its body"),
    "wing": ("{c} wings", "{c} wing feathers", "{a} wing"),
    "belly": ("{a} belly", "{a} breast", "{a} underside"),
    "bill_colour": ("{a} bill", "{a} beak"),
    "leg_colour": ("{c} legs", "{c} legs and feet", "{c} feet"),
    "eye_ring": ("{a} eye ring", "{a} ring around its eye", "{a} eye-ring"),
    "cap": ("{a} cap", "{a} crown", "{c} feathers on top of its head"),
    "collar": ("{a} collar", "{a} neck band", "{a} ring around its neck"),
})  # fmt: skip

_OTHER_FORMS: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType({
    ("pattern", "plain"): ("a plain breast", "unmarked underparts", "a breast without markings"),
    ("pattern", "spotted"): ("a spotted breast", "spots on its belly", "speckled underparts"),
    ("pattern", "striped"): ("a striped breast", "streaks along its belly", "streaked underparts"),
    ("pattern", "barred"): ("a barred breast", "bars across its belly", "banded underparts"),
    ("bill", "cone"): (
        "a short conical bill", "a stubby beak", "a thick cone-shaped bill", "a short conical beak",
    ),
    ("bill", "needle"): (
        "a long thin needle-like bill", "a needle-like bill", "a long thin beak", "a slender bill",
    ),
    ("bill", "hooked"): ("a hooked bill", "a strongly hooked beak", "a bill with a hooked tip"),
    ("bill", "flat"): ("a flat bill", "a wide flattened bill", "a spoon-like beak"),
    ("bill", "curved"): ("a curved bill", "a downcurved bill", "a long decurved beak"),
    ("bill", "dagger"): ("a dagger-like bill", "a long pointed bill", "a spear-shaped beak"),
    ("crest", "pointed"): ("a pointed crest", "a crest on its head", "a crested head"),
    ("crest", NONE): ("no crest", "a smooth head without a crest", "a crestless head"),
    ("tail", "short"): ("a short tail", "a stubby tail"),
    ("tail", "long"): ("a long tail", "a long straight tail"),
    ("tail", "forked"): ("a forked tail", "a tail with a deep fork", "a swallow-like tail"),
    ("tail", "fan"): ("a fan-shaped tail", "a broad fanned tail", "a wide tail"),
    ("leg_length", "short"): ("short legs", "stubby legs"),
    ("leg_length", "long"): ("long legs", "tall stilt-like legs"),
    ("neck", "short"): ("a short neck", "a compact neck"),
    ("neck", "long"): ("a long neck", "an elongated neck"),
    ("eye_ring", NONE): ("no eye ring", "a plain dark eye"),
    ("cap", NONE): ("no cap", "an unmarked crown", "a head of one color"),
    ("collar", NONE): ("no collar", "no neck band"),
    ("wing_bar", "white"): ("white wing bars", "pale bars on its wings", "wing bars"),
    ("wing_bar", NONE): ("no wing bars", "wings without bars"),
    ("size", "small"): ("a small size", "a tiny body"),
    ("size", "medium"): ("a medium size", "a middling size"),
    ("size", "large"): ("a large size", "a big body"),
})  # fmt: skip

_SIZE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "small": ("small", "tiny", "little"),
    "medium": ("medium-sized", "mid-sized"),
    "large": ("large", "big"),
})  # fmt: skip

_HABITAT_PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "water": ("on the water", "by a lake", "near the sea"),
    "forest": ("in the forest", "among trees", "in the woods"),
    "meadow": ("in a meadow", "on green grass", "in a grassy field"),
    "sky": ("against the sky", "on a wire under the clouds", "with clouds behind it"),
    "snow": ("in the snow", "on snowy ground", "in winter"),
    "desert": ("in the desert", "on sand", "among sand dunes"),
})  # fmt: skip

_LIGHT_PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "day": ("in daylight", "on a bright day"),
    "sunset": ("at sunset", "in warm evening light"),
    "night": ("at night", "in the dark"),
    "fog": ("in fog", "on a misty day"),
})  # fmt: skip


def with_article(words: str) -> str:
    """Put "a" or "an" before a noun phrase, by its first letter."""
    return ("an " if words[:1].lower() in "aeiou" else "a ") + words


def joined(parts: Sequence[str]) -> str:
    """Join phrases as English does: "x", "x and y", "x, y and z"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def value_phrases(key: str, value: str) -> tuple[str, ...]:
    """Every wording of one mark, the plain one first.

    Args:
        key: Attribute key, e.g. `"belly"`.
        value: One of the attribute's values, e.g. `"red"`.

    Returns:
        Distinct noun phrases that fit "which has ___", e.g. "a red belly", "a crimson breast".

    Raises:
        KeyError: If the attribute has no such value.
    """
    if value not in ATTRIBUTE_BY_KEY[key].values:
        raise KeyError(f"{value!r} is no value of {key!r}; it has {', '.join(ATTRIBUTE_BY_KEY[key].values)}")
    if (key, value) in _OTHER_FORMS:
        return _OTHER_FORMS[key, value]
    return tuple(
        form.format(a=with_article(word), c=word)
        for form in _COLOUR_FORMS[key]
        for word in _COLOUR_WORDS[value]
    )


def phrase(key: str, value: str, rng: random.Random | None = None) -> str:
    """Word one mark as a noun phrase that fits "which has ___".

    Args:
        key: Attribute key, e.g. `"belly"`.
        value: One of the attribute's values.
        rng: Chooses among the wordings, plain colour words and forms more often; None gives the
            plain wording ("a red belly", "no crest").

    Returns:
        The phrase, without a full stop.
    """
    phrases = value_phrases(key, value)
    if rng is None or rng.random() < 0.2:
        return phrases[0]
    return rng.choice(phrases)


def habitat_phrases(habitat: str) -> tuple[str, ...]:
    """Wordings of a habitat that follow a noun: "by a lake"."""
    return _HABITAT_PHRASES[habitat]


def light_phrases(light: str) -> tuple[str, ...]:
    """Wordings of a light that follow a noun: "at sunset"."""
    return _LIGHT_PHRASES[light]


def kind_phrase(noun: str) -> str:
    """The plain caption of a kind of bird: "a photo of a heron"."""
    return f"a photo of {with_article(noun)}"


def describing(subject: str, described: str) -> str:
    """The exact form in which a description is compared with images.

    Args:
        subject: What the bird is called, without article: "bird", "heron", "veyzan heron".
        described: A phrase that fits "which has ___".

    Returns:
        "a photo of a <subject>, which has <described>."
    """
    return f"a photo of {with_article(subject)}, which has {described}."


def caption(
    marks: Mapping[str, str],
    habitat: str,
    light: str,
    rng: random.Random,
    *,
    subject: str = "bird",
    keys: Sequence[str] | None = None,
    context_share: float = 0.4,
) -> str:
    """Caption one image of a bird.

    Args:
        marks: Value of every attribute, by key.
        habitat: Where it is seen.
        light: The light it is seen in.
        rng: Chooses wording and sentence form.
        subject: What to call the bird, without article.
        keys: Attributes to mention; None draws one to nine of them.
        context_share: How often the habitat is mentioned (the light half as often).

    Returns:
        One sentence or fragment in lower case.
    """
    mentioned = list(keys) if keys is not None else rng.sample(KEYS, _number_of_marks(rng))
    words: list[str] = []
    if "size" in mentioned and rng.random() < 0.7:
        mentioned.remove("size")
        words.append(rng.choice(_SIZE_WORDS[marks["size"]]))
    if "body" in mentioned and len(mentioned) > 1 and rng.random() < 0.5:
        mentioned.remove("body")
        words.append(rng.choice(_COLOUR_WORDS[marks["body"]]))
    named = with_article(" ".join([*words, subject]))
    context = ""
    if rng.random() < context_share:
        context += " " + rng.choice(_HABITAT_PHRASES[habitat])
    if rng.random() < context_share / 2:
        context += " " + rng.choice(_LIGHT_PHRASES[light])
    if not mentioned:
        return rng.choice(("a photo of {}", "{}", "this is {}", "an image of {}")).format(named) + context
    has = joined([phrase(key, marks[key], rng) for key in mentioned])
    forms = (
        f"a photo of {named}{context}, which has {has}.",
        f"{named} with {has}{context}",
        f"a photo of {named} with {has}{',' + context if context else ''}",
        f"{named}{context}, which has {has}",
        f"{named}{context}. it has {has}.",
        f"{has}{',' + context if context else ''}",
    )
    return rng.choices(forms, (0.4, 0.15, 0.15, 0.12, 0.1, 0.08))[0]


def _number_of_marks(rng: random.Random) -> int:
    share = rng.random()
    if share < 0.45:
        return rng.randint(1, 2)
    return rng.randint(3, 5) if share < 0.8 else rng.randint(6, 9)
