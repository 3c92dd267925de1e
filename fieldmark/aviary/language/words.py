"""The words that the scripted guide understands in a sentence about a bird, and what each stands for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fieldmark.aviary.world.attributes import COLOURS, HABITATS, KINDS, LIGHTS, NONE
from fieldmark.aviary.world.conditions import HABITAT, LIGHT, AllOf, Condition, Is

ItemKind = Literal[
    "colour", "size", "shape", "own", "pattern",  # adjectives
    "atom", "part", "bird", "vague",
    "not", "without", "nor", "or", "and", "but", "except", "comma", "stop", "is", "with", "article", "range",
    "or_more", "or_less", "at_least", "at_most", "any_of", "may",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A word or phrase of a sentence, with its meaning.

    Attributes:
        kind: What it does in the sentence.
        key: The feature it speaks of: of a part, or of an adjective that needs no part.
        values: The values it stands for.
        word: The word itself, where its meaning hangs on the part it describes.
        weak: Of a part: naming it does not say that a mark is there ("head", "eye").
        condition: The whole meaning of an "atom" or a "vague" word.
    """

    kind: ItemKind
    key: str = ""
    values: frozenset[str] = frozenset()
    word: str = ""
    weak: bool = False
    condition: Condition | None = None


_BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "teal")
_COLOUR_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    **{colour: (colour,) for colour in COLOURS},
    **dict.fromkeys(("crimson", "scarlet", "ruby", "reddish"), ("red",)),
    **dict.fromkeys(("tangerine", "orangey"), ("orange",)),
    **dict.fromkeys(("golden", "lemon", "gold", "yellowish"), ("yellow",)),
    **dict.fromkeys(("emerald", "greenish"), ("green",)),
    **dict.fromkeys(("azure", "cobalt", "navy", "bluish"), ("blue",)),
    **dict.fromkeys(("violet", "lilac", "purplish"), ("purple",)),
    **dict.fromkeys(("chestnut", "tan", "beige", "brownish", "chocolate"), ("brown",)),
    **dict.fromkeys(("jet black", "jet", "sooty", "ebony", "blackish"), ("black",)),
    **dict.fromkeys(("snowy", "whitish", "ivory"), ("white",)),
    **dict.fromkeys(("gray", "ashy", "greyish", "grayish"), ("grey",)),
    **dict.fromkeys(("rosy", "pinkish"), ("pink",)),
    **dict.fromkeys(("turquoise", "cyan", "aqua"), ("teal",)),
    **dict.fromkeys(
        ("bright", "brightly coloured", "brightly colored", "bright coloured", "bright colours",
         "bright colors", "vivid", "vividly coloured", "vividly colored", "bold"),
        _BRIGHT,
    ),
    **dict.fromkeys(("dark", "dark coloured", "dark colored", "darkly coloured"), ("black", "brown")),
    **dict.fromkeys(("pale", "light coloured", "light colored", "palish"), ("white", "grey", "pink")),
    **dict.fromkeys(("warm coloured", "warm colored", "warm colours"), ("red", "orange", "yellow", "brown")),
    **dict.fromkeys(("reddish brown", "rusty", "rufous"), ("brown", "orange")),
})  # fmt: skip
_SIZE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    **dict.fromkeys(("small", "tiny", "little", "smallish", "small sized", "smaller"), ("small",)),
    **dict.fromkeys(
        ("medium", "medium sized", "middling", "mid sized", "midsized", "mid size", "average sized"),
        ("medium",),
    ),
    **dict.fromkeys(("large", "big", "huge", "largish", "large sized", "larger", "bigger"), ("large",)),
})  # fmt: skip
_PATTERN_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    **dict.fromkeys(("plain", "unmarked", "unpatterned"), ("plain",)),
    **dict.fromkeys(("spotted", "speckled", "spots", "speckles", "dotted", "spotty"), ("spotted",)),
    **dict.fromkeys(("striped", "streaked", "streaks", "stripes", "stripy", "streaky"), ("striped",)),
    **dict.fromkeys(("barred", "banded", "bars", "bands"), ("barred",)),
    **dict.fromkeys(
        ("patterned", "marked", "markings", "pattern", "patterns"), ("spotted", "striped", "barred")
    ),
})  # fmt: skip
_OWN_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    **dict.fromkeys(("hooked", "hook"), ("bill", "hooked")),
    **dict.fromkeys(("curved", "downcurved", "decurved", "down curved", "bent"), ("bill", "curved")),
    **dict.fromkeys(
        ("dagger", "dagger like", "dagger shaped", "spear shaped", "spear like", "spearlike"),
        ("bill", "dagger"),
    ),
    **dict.fromkeys(("conical", "cone", "cone shaped", "cone like"), ("bill", "cone")),
    **dict.fromkeys(("needle", "needle like", "needle shaped", "needlelike"), ("bill", "needle")),
    **dict.fromkeys(("flat", "flattened", "spoon like", "spoon shaped", "spoon"), ("bill", "flat")),
    **dict.fromkeys(
        ("forked", "fork", "swallow like", "swallow tailed", "fork shaped"), ("tail", "forked")
    ),
    **dict.fromkeys(("fan shaped", "fan", "fanned", "fan like"), ("tail", "fan")),
    **dict.fromkeys(("stilt like", "stilt"), ("leg_length", "long")),
})  # fmt: skip
_SHAPE_WORDS = (
    "long", "short", "tall", "elongated", "compact", "stubby", "thick", "thin", "slender", "slim", "wide",
    "broad", "pointed", "pointy", "straight", "sharp", "deep", "fine", "stout", "strong", "longish",
    "lengthy", "smooth", "extended",
)  # fmt: skip
SHAPES: Mapping[str, tuple[tuple[frozenset[str], str, tuple[str, ...]], ...]] = MappingProxyType({
    "bill": (
        (frozenset({"pointed", "pointy"}), "bill", ("dagger",)),
        (frozenset({"sharp"}), "bill", ("dagger", "needle")),
        (frozenset({"thin", "slender", "slim", "fine"}), "bill", ("needle",)),
        (frozenset({"thick", "stubby", "stout"}), "bill", ("cone",)),
        (frozenset({"wide", "broad"}), "bill", ("flat",)),
        (frozenset({"long", "longish", "elongated"}), "bill", ("needle", "curved", "dagger")),
        (frozenset({"short"}), "bill", ("cone", "hooked")),
    ),
    "tail": (
        (frozenset({"wide", "broad"}), "tail", ("fan",)),
        (frozenset({"short", "stubby"}), "tail", ("short",)),
        (frozenset({"long", "longish", "straight", "elongated"}), "tail", ("long",)),
    ),
    "legs": (
        (frozenset({"short", "stubby"}), "leg_length", ("short",)),
        (
            frozenset({"long", "longish", "tall", "slender", "thin", "slim", "elongated"}),
            "leg_length", ("long",),
        ),
    ),
    "neck": (
        (frozenset({"short", "compact", "thick", "stubby", "stout"}), "neck", ("short",)),
        (
            frozenset({"long", "longish", "elongated", "slender", "thin", "slim", "extended"}),
            "neck", ("long",),
        ),
    ),
})  # fmt: skip
"""Part → words that describe it, with the attribute and values they mean; the first that fits counts."""
COLOUR_KEYS: Mapping[str, str] = MappingProxyType({
    "body": "body", "wing": "wing", "belly": "belly", "bill": "bill_colour", "legs": "leg_colour",
    "eye_ring": "eye_ring", "cap": "cap", "collar": "collar", "wing_bar": "wing_bar",
})  # fmt: skip
"""Part → the attribute that its colour is."""
_PART_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "body": ("body", "bodies", "plumage", "feathers", "feathers on its body", "feathering", "bodied"),
    "wing": ("wing", "wings", "wing feathers", "winged"),
    "belly": (
        "belly", "bellies", "breast", "breasts", "underside", "undersides", "underparts", "underpart",
        "chest", "tummy", "bellied", "breasted",
    ),
    "bill": ("bill", "bills", "beak", "beaks", "billed", "beaked"),
    "legs": ("leg", "legs", "foot", "feet", "legged", "legs and feet", "footed"),
    "eye_ring": (
        "eye ring", "eye rings", "eyering", "eyerings", "ring around its eye", "ring around the eye",
        "rings around its eyes", "rings around the eyes", "ring around their eyes", "ring around an eye",
        "ringed eye", "ringed eyes", "ring round the eye", "ring round its eye",
    ),
    "cap": (
        "cap", "caps", "crown", "crowns", "feathers on top of its head", "top of its head", "top of the head",
        "capped", "crowned",
    ),
    "collar": (
        "collar", "collars", "neck band", "neck bands", "neckband", "neckbands", "collared", "necklace",
        "ring around its neck", "ring around the neck", "ring round its neck", "ring round the neck",
        "band around its neck", "band around the neck", "neck ring",
    ),
    "wing_bar": (
        "wing bar", "wing bars", "wingbar", "wingbars", "bars on its wings", "bars on the wings",
        "bars on wings", "bars on their wings", "wings with bars", "wings with white bars",
        "wings with pale bars", "barred wings", "barred wing", "bars on the wing",
    ),
    "crest": ("crest", "crests", "crested", "tuft", "tufts", "tufted"),
    "tail": ("tail", "tails", "tailed"),
    "neck": ("neck", "necks", "necked"),
})  # fmt: skip
_WEAK_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cap": ("head", "heads", "headed"),
        "eye_ring": ("eye", "eyes", "eyed", "dark eye", "dark eyes"),
    }
)
_ATOMS: Mapping[str, tuple[str, str]] = MappingProxyType({
    **dict.fromkeys(("crestless", "smooth head", "smooth headed", "uncrested"), ("crest", NONE)),
    **dict.fromkeys(
        ("head of one color", "head of one colour", "unmarked crown", "plain crown", "uncapped", "plain head",
         "capless"),
        ("cap", NONE),
    ),
    **dict.fromkeys(("plain dark eye", "plain eye", "plain eyes", "ringless eye"), ("eye_ring", NONE)),
    **dict.fromkeys(
        ("wings without bars", "plain wings", "unmarked wings", "unbarred wings"), ("wing_bar", NONE)
    ),
    **dict.fromkeys(("collarless",), ("collar", NONE)),
})  # fmt: skip
_HABITAT_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "water": (
        "water", "lake", "sea", "shore", "shoreline", "pond", "river", "waterside", "coast", "marsh",
        "wetland", "lakeside", "waves", "riverside", "seashore", "ocean", "swamp", "stream", "watery",
    ),
    "forest": (
        "forest", "forests", "wood", "woods", "tree", "trees", "woodland", "jungle", "forested",
        "foliage", "wooded",
    ),
    "meadow": (
        "meadow", "meadows", "grass", "green grass", "grassy", "grassland", "grassy field", "field", "fields",
        "lawn", "pasture",
    ),
    "sky": ("sky", "skies", "wire", "cloud", "clouds", "cloudy sky", "blue sky", "in the air", "midair"),
    "snow": (
        "snow", "snowy ground", "snowy landscape", "snowy place", "snowy scene", "snowy field", "winter",
        "ice",
        "wintry", "snowfield", "snow covered ground",
    ),
    "desert": ("desert", "deserts", "sand", "sandy", "sand dune", "sand dunes", "dune", "dunes", "arid"),
})  # fmt: skip
_LIGHT_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "night": (
        "night", "nighttime", "night time", "in the dark", "darkness", "moonlight", "after dark", "by night",
        "dark night", "midnight",
    ),
    "fog": ("fog", "foggy", "mist", "misty", "haze", "hazy", "misty day", "foggy day"),
    "sunset": (
        "sunset", "dusk", "evening", "warm evening light", "evening light", "twilight", "sundown",
        "low sun", "golden hour",
    ),
    "day": (
        "day", "daylight", "daytime", "day time", "sunny", "sunlight", "bright day", "bright daylight",
        "broad daylight", "full daylight", "plain daylight", "by day", "sunny day", "good light", "clear day",
        "clear light", "ordinary daylight", "normal daylight",
    ),
})  # fmt: skip
_JOINING: Mapping[ItemKind, tuple[str, ...]] = MappingProxyType({
    "not": (
        "no", "not", "never", "lacks", "lack", "lacking", "absent", "cannot", "anything but", "neither",
        "non",
        "missing", "free of", "devoid of", "absence of", "rather than", "instead of", "any but", "none",
    ),
    "without": ("without",),
    "except": (
        "except", "unless", "excluding", "other than", "except for", "apart from", "but not", "save",
        "and not", "and no", "but no", "and without", "aside from",
    ),
    "nor": ("nor",),
    "or": ("or", "and or", "as well as any"),
    "and": ("and", "plus", "as well as", "also", "together with", "along with", "while"),
    "but": ("but", "although", "though", "yet", "however"),
    "is": (
        "is", "are", "was", "be", "being", "that is", "that are", "which is", "which are", "has to be", "of",
        "must be", "should be", "looks", "look", "whose colour is", "coloured", "colored",
    ),
    "with": (
        "with", "has", "have", "having", "shows", "show", "showing", "must have", "should have", "wears",
        "needs", "need", "carries", "wearing", "carrying",
    ),
    "article": ("a", "an", "the", "its", "their", "some", "any", "this", "these", "his", "her", "every",
                "each", "all"),
    "range": ("to",),
    "or_more": ("or larger", "or bigger", "and larger", "and up", "or more", "and bigger", "or above"),
    "or_less": ("or smaller", "and smaller", "or less", "and below", "or below"),
    "at_least": ("at least", "no smaller than", "not smaller than"),
    "at_most": ("at most", "no larger than", "no bigger than", "not larger than"),
    "any_of": ("any of", "at least one of", "one of", "one or more of", "either"),
    "may": ("may", "might", "possibly", "optionally", "with or without", "whether or not"),
    "bird": ("bird", "birds", "it", "animal", "they", "creature", "photo", "picture", "image", "subject"),
})  # fmt: skip
FILLERS = frozenset({
    "in", "on", "at", "by", "near", "against", "among", "behind", "under", "around", "across",
    "along", "into", "onto", "over", "from", "for", "as", "like", "such", "there", "where", "when",
    "which", "that", "who", "what", "whose", "if", "then", "than", "so", "very", "quite", "really",
    "rather", "mostly", "mainly", "largely", "clearly", "visibly", "overall", "generally",
    "usually", "always", "only", "just", "even", "still", "more", "most", "less", "least", "stands",
    "standing", "stand", "sits", "sitting", "sit", "perches", "perched", "perching", "swims",
    "swimming", "swim", "flies", "flying", "seen", "shown", "pictured", "photographed", "taken",
    "set", "found", "lives", "living", "appears", "appear", "wades", "wading", "walks", "walking",
    "ground", "background", "scene", "place", "surroundings", "setting", "landscape", "light",
    "lit", "colour", "color", "colours", "colors", "coloured", "colored", "size", "sized", "shape",
    "shaped", "tip", "mark", "part", "parts", "kind", "type", "example", "one", "ones", "must",
    "should", "can", "could", "will", "would", "does", "do", "did", "has", "kept", "entire",
    "whole", "main", "upper", "lower", "side", "edge", "full", "own", "top", "front", "surface",
    "area", "covered", "deep", "please", "i", "me", "my", "we", "you", "think", "because", "since",
    "due", "count", "counts", "counted", "belongs", "belong", "included", "include", "matters",
    "yes", "well", "clear", "distinct", "visible", "noticeable", "obvious", "prominent", "form",
    "out", "up", "off", "about", "here", "present", "exactly", "both", "feathered", "running",
    "holds", "holding", "contains", "containing", "features", "featuring", "called", "considered",
    "real", "open", "looking", "needed", "required", "enough",
})  # fmt: skip
"""Words that say nothing about a bird here."""


def _lexicon() -> dict[str, Item]:
    words: dict[str, Item] = {}

    def add(texts: Iterable[str], item: Item) -> None:
        for text in texts:
            words.setdefault(text, item)

    for habitat in HABITATS:
        atom = Is(HABITAT, frozenset({habitat}))
        add(_HABITAT_WORDS[habitat], Item("atom", condition=atom))
    for light in LIGHTS:
        add(_LIGHT_WORDS[light], Item("atom", condition=Is(LIGHT, frozenset({light}))))
    add(("bad light", "poor light", "poor visibility", "dim light"),
        Item("atom", condition=Is(LIGHT, frozenset({"night", "fog"}))))  # fmt: skip
    for text, (key, value) in _ATOMS.items():
        add((text,), Item("atom", condition=Is(key, frozenset({value}))))
    for part, texts in _PART_WORDS.items():
        add(texts, Item("part", key=part))
    for part, texts in _WEAK_PARTS.items():
        add(texts, Item("part", key=part, weak=True))
    for text, colours in _COLOUR_WORDS.items():
        add((text,), Item("colour", values=frozenset(colours)))
    for text, sizes in _SIZE_WORDS.items():
        add((text,), Item("size", "size", frozenset(sizes)))
    for text, patterns in _PATTERN_WORDS.items():
        add((text,), Item("pattern", "pattern", frozenset(patterns)))
    for text, (key, value) in _OWN_WORDS.items():
        add((text,), Item("own", key, frozenset({value})))
    add(_SHAPE_WORDS, Item("shape"))
    for kind, texts in _JOINING.items():
        add(texts, Item(kind))
    for kind in KINDS:
        marks = AllOf(tuple(Is(key, frozenset({value})) for key, value in kind.marks.items()))
        plural = kind.noun + ("es" if kind.noun.endswith("finch") else "s")
        add((kind.noun, plural, f"{kind.noun} like"), Item("atom", condition=marks, word=kind.noun))
    return words


LEXICON: Mapping[str, Item] = MappingProxyType(_lexicon())
"""Word or phrase, in lower case and without hyphens → its meaning."""
LONGEST = max(len(text.split()) for text in LEXICON)
