"""What vague words about birds make most readers think of: "dangerous", "elegant", "drab".

A small lexicon of guesses, as any reader has them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fieldmark.aviary.world.attributes import NONE
from fieldmark.aviary.world.conditions import HABITAT, LIGHT, AnyOf, Condition, Is, present

BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "teal")
_DULL = ("brown", "grey", "black")


def _is(key: str, *values: str) -> Is:
    return Is(key, frozenset(values))


_ADORNED = AnyOf((present("crest"), present("cap"), present("collar")))
_MEANINGS: tuple[tuple[tuple[str, ...], tuple[Condition, ...]], ...] = (
    (("dangerous", "fierce", "predatory", "threatening", "menacing", "aggressive", "scary", "fearsome",
      "predator", "predators", "hunter", "hunters", "raptor", "raptors", "ferocious", "deadly", "killer",
      "intimidating", "hunting", "threat", "danger", "attack", "injure", "prey"),
     (_is("bill", "hooked", "dagger"), _is("size", "large"))),
    (("elegant", "graceful", "stately", "refined", "ballerina", "lanky", "leggy", "elegance", "grace"),
     (_is("neck", "long"), _is("leg_length", "long"))),
    (("slender", "slim", "sleek", "streamlined", "aerodynamic", "swift", "fast", "agile", "speedy"),
     (_is("neck", "long"), _is("tail", "forked", "long"))),
    (("showy", "flashy", "colourful", "colorful", "gaudy", "eye catching", "striking", "flamboyant", "vivid",
      "dazzling", "conspicuous", "loud", "exotic", "tropical", "vibrant", "parade", "carnival"),
     (_is("body", *BRIGHT), _ADORNED)),
    (("drab", "dull", "inconspicuous", "unremarkable", "boring", "muted", "understated", "nondescript",
      "modest", "sober", "discreet"),
     (_is("body", *_DULL), _is("cap", NONE), _is("crest", NONE))),
    (("camouflaged", "camouflage", "hidden", "well hidden", "cryptic", "blends", "disguised"),
     (_is("body", "brown", "grey", "green"), _is("pattern", "spotted", "striped", "barred"))),
    (("cute", "sweet", "adorable", "cuddly", "lovely", "charming", "dainty", "delicate", "harmless"),
     (_is("size", "small"), _is("bill", "cone", "needle"))),
    (("stocky", "plump", "chubby", "round", "dumpy", "squat", "compact looking", "stout"),
     (_is("neck", "short"), _is("leg_length", "short"))),
    (("aquatic", "wader", "waders", "waterbird", "waterbirds", "seabird", "seabirds", "shorebird",
      "shorebirds", "coastal", "maritime", "wading bird", "wading birds", "nautical", "beach", "seaside",
      "fisher", "fishing", "angler", "water bird", "shore bird", "sea bird", "harbour"),
     (_is(HABITAT, "water"), _is("leg_length", "long"))),
    (("nocturnal", "nightly"), (_is(LIGHT, "night"),)),
    (("spooky", "eerie", "gloomy", "mysterious", "ghostly", "haunting", "sinister", "gothic", "halloween",
      "creepy", "moody", "ominous", "brooding", "melancholy"),
     (_is(LIGHT, "night", "fog"), _is("body", "black", "grey", "purple"))),
    (("cold", "arctic", "polar", "frosty", "frozen", "icy", "nordic"), (_is(HABITAT, "snow"),)),
    (("festive", "christmas", "christmassy", "holiday", "xmas", "seasonal"),
     (_is(HABITAT, "snow"), _is("body", "red", "green", "white"))),
    (("autumnal", "autumn", "fall colours", "fall colors", "earthy"),
     (_is("body", "red", "orange", "yellow", "brown"),)),
    (("summery", "summer", "cheerful", "happy", "springlike", "spring", "joyful", "jolly", "merry"),
     (_is("body", "yellow", "orange", "green", "pink"), _is(LIGHT, "day"))),
    (("royal", "regal", "majestic", "noble", "kingly", "imperial", "proud", "grand", "dignified", "queenly",
      "aristocratic", "king", "imposing", "impressive"),
     (present("crest"), _is("size", "large"))),
    (("formal", "tuxedo", "dressed up", "penguin", "wedding", "monochrome", "gentleman"),
     (_is("body", "black"), _is("belly", "white"))),
    (("ornate", "decorated", "adorned", "fancy", "dressy", "fashionable", "jewelled", "ornamented", "chic",
      "headgear", "headdress", "hat", "hats", "decorative", "stylish"), (_ADORNED,)),
    (("calm", "peaceful", "serene", "romantic", "tranquil", "idyllic", "dreamy", "atmospheric", "postcard",
      "scenic", "calendar", "picturesque"),
     (_is(LIGHT, "sunset", "day"), _is(HABITAT, "water", "meadow"))),
    (("songbird", "songbirds", "singer", "garden", "backyard", "domestic", "feeder", "seed eater"),
     (_is("size", "small"), _is("bill", "cone", "needle"))),
    (("soaring", "airborne", "aerial", "flight", "in flight"), (_is(HABITAT, "sky"),)),
    (("masked", "hooded", "bandit", "helmeted"), (present("cap"),)),
    (("punk", "punky", "rocker", "mohawk", "spiky", "rebellious"), (present("crest"), _is("body", *BRIGHT))),
    (("patterned all over", "decorated belly", "busy", "zebra", "prisoner", "pyjamas"),
     (_is("pattern", "striped", "barred", "spotted"),)),
    (("poor view", "hard to see", "unclear", "hard to make out", "dim", "murky", "blurry"),
     (_is(LIGHT, "night", "fog"),)),
    (("hardy", "tough", "rugged", "desert dwelling", "thirsty", "dry"), (_is(HABITAT, "desert", "snow"),)),
    (("rural", "pastoral", "farm", "farmland", "country", "countryside", "grazing"), (_is(HABITAT,
        "meadow"),)),
    (("woodpecker", "shy", "secretive", "forest dwelling"), (_is(HABITAT, "forest"),)),
    (("fiery", "flaming", "flame", "fire", "burning", "hot", "warning", "alarming", "poisonous"),
     (_is("body", "red", "orange", "yellow"),)),
    (("cool", "icy coloured", "marine"), (_is("body", "blue", "teal", "grey", "white"),)),
)  # fmt: skip

MEANINGS: Mapping[str, tuple[Condition, ...]] = MappingProxyType(
    {word: conditions for words, conditions in _MEANINGS for word in words}
)
"""Vague word → what comes to mind, the nearest first. All of it together is the whole picture."""
