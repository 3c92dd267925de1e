"""The words of a caption that may name what an image shows: cleaned, singular, no words about pictures."""

import re
from collections.abc import Callable, Sequence

Tagger = Callable[[Sequence[str]], Sequence[bool]]
"""Words to whether each is a noun, an adjective or a verb form: the words that may name something."""

META_WORDS = frozenset(
    {
        "clipart",
        "icon",
        "illustration",
        "image",
        "logo",
        "painting",
        "photo",
        "picture",
        "portrait",
        "profile",
        "symbol",
        "thumbnail",
    }
)
"""Words that speak of the picture and not of what it shows (Conti et al. 2023, released code)."""

_LEAST_LETTERS = 3
_TOKENS = re.compile(r"<[^>]+>")
_ADDRESSES = re.compile(r"http\S+")
_ODD = re.compile(r"[^\w\s\-.'&]")
_EXTENSIONS = re.compile(r"\.\w+")
_SEPARATORS = re.compile(r"[_\-]")
_BREAKS = re.compile(r"[.,;:!?()\[\]]+(?:\s|$)")
_NO_LETTERS = re.compile(r"[\W\d_]")

_ALREADY_SINGULAR = frozenset({"atlas", "canvas", "christmas", "gas", "lens"})
_IRREGULAR = {
    "buses": "bus",
    "calves": "calf",
    "elves": "elf",
    "gases": "gas",
    "halves": "half",
    "hooves": "hoof",
    "knives": "knife",
    "leaves": "leaf",
    "lenses": "lens",
    "lives": "life",
    "loaves": "loaf",
    "scarves": "scarf",
    "shelves": "shelf",
    "thieves": "thief",
    "wives": "wife",
    "wolves": "wolf",
}

_FUNCTION_WORDS = """
    about above across after afterward again against all almost along already alright also although
    alway always among amongst and another any anybody anyone anything anyway are aren around away
    because been before behind being below beneath beside between beyond both but can cannot could
    despite did didn does doesn doing don done down due during each either else enough etc even ever
    every everybody everyone everything everywhere except few for from further had hadn hasn have haven
    having hence her here hers herself him himself his how however inside instead into isn itself just
    least less let like lot many may maybe mere might more moreover most much must myself near nearby
    neither never nevertheless next nobody none nor not nothing now nowhere off often once one only onto
    other otherwise ought our ourselve ourselves out outside over own past per perhap perhaps please
    quite rather really same several shall she should shouldn since some somebody somehow someone
    something sometime sometimes somewhere soon still such than that the their them themselve themselves
    then there therefore these they this those though three through throughout thu thus till together
    too toward towards two under underneath unless until unto upon very via was wasn well were weren
    what whatever when whenever where wherever whether which while who whoever whole whom whose why will
    with within without won would wouldn yes yet you your yours yourself yourselves
"""


def caption_words(caption: str) -> list[str]:
    """The words of a caption, in order and as often as they occur.

    In this order: tokens in angle brackets and web addresses go; characters other than letters, digits,
    spaces and - . ' & _ go; what follows a dot goes ("dog.jpg"); - and _ become spaces; words of fewer than
    3 characters go; everything but letters goes; lower case; plurals ending in s become singular, except
    those in -ss, -us, -is, -ies and -oes; words about pictures go, and words that have become shorter than
    3 letters.

    Source: Conti et al. 2023, released code, written anew. It cleans the captions of an image as one text,
    keeps English letters alone, and has its plurals from a library.

    Returns:
        Words; may be empty.
    """
    text = _ADDRESSES.sub("", _TOKENS.sub("", caption))
    text = _SEPARATORS.sub(" ", _EXTENSIONS.sub("", _ODD.sub("", text)))
    letters = (_NO_LETTERS.sub("", word).lower() for word in text.split() if len(word) >= _LEAST_LETTERS)
    words = (_singular(word) for word in letters)
    return [word for word in words if len(word) >= _LEAST_LETTERS and word not in META_WORDS]


def caption_phrases(caption: str, *, longest: int = 3) -> list[str]:
    """What a caption may call something: the ends of its runs of words that may name something.

    A run ends at a full stop, a comma, a bracket or a function word, so that its last word is mostly a noun:
    "a large crested heron in the snow" has "heron", "crested heron", "large crested heron" and "snow".

    Args:
        caption: The caption.
        longest: The most words of a phrase.

    Returns:
        Phrases, in order and as often as they occur.
    """
    function_words = frozenset(_FUNCTION_WORDS.split())
    phrases: list[str] = []
    for part in _BREAKS.split(_ADDRESSES.sub("", _TOKENS.sub("", caption))):
        run: list[str] = []
        for word in [*part.split(), ""]:
            own = caption_words(word)
            if word and own and not function_words & {*own, word.lower()}:
                run += own
            elif run:
                phrases += [" ".join(run[-count:]) for count in range(1, min(longest, len(run)) + 1)]
                run = []
    return phrases


def content_words(words: Sequence[str]) -> list[bool]:
    """A plain stand-in for a part-of-speech tagger: every English word that is no function word.

    Returns:
        Whether each may name something. A tagger proper also drops adverbs and finite verbs.
    """
    function_words = frozenset(_FUNCTION_WORDS.split())
    return [word not in function_words for word in words]


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if not word.endswith("s") or word.endswith(("ss", "us", "is", "ies", "oes")) or word in _ALREADY_SINGULAR:
        return word
    return word[:-2] if word.endswith(("ches", "shes", "sses", "xes", "zzes")) else word[:-1]
