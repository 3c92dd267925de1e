"""Reads what an owner types, the same for every front: letters are labels, numbers are pictures.

What means nothing is told as a `Slip`, and is never taken for the owner's words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.records import Clause, LabelValue
from fieldmark.records.conversation import ImageLabel, Response

LABELS: Mapping[str, LabelValue] = {
    "i": "in", "o": "out", "?": "unsure", "in": "in", "out": "out", "unsure": "unsure"
}  # fmt: skip
MISREAD = ("w", "wrong", "misread")
SHORT_FOR = {"y": "yes", "n": "no"}
_GAP = " :;,.-"


@dataclass(frozen=True)
class Slip:
    """What was typed means nothing here.

    Attributes:
        says: What is wrong with it, and what there is; one sentence or two.
    """

    says: str


def is_slip(said: str) -> bool:
    """Whether a text is one letter or digit of a keyboard, which says nothing by itself."""
    return len(said.strip()) == 1 and said.isascii()


def read_answer(said: str, options: Sequence[str]) -> str | Slip:
    """The answer to a question about a concept; empty where it is skipped.

    Args:
        said: An option's letter (a is the first), an option, or the owner's own words.
        options: The answers that were offered.
    """
    plain = said.strip()
    bare = plain.strip("() .:").lower()
    letters = {chr(ord("a") + place): option for place, option in enumerate(options)}
    if bare in letters:
        return letters[bare]
    if bare in SHORT_FOR:
        return SHORT_FOR[bare]
    if is_slip(plain):
        offered = f"The letters are {', '.join(letters)}. " if letters else ""
        numbers = " A number names a picture." if plain.isdigit() else ""
        return Slip(f"{plain!r} is no answer here.{numbers} {offered}Your own words take more than one.")
    same = (plain.casefold(), plain.strip("() .:").casefold())
    return next((option for option in options if option.casefold() in same), plain)


def read_label(said: str, images: Sequence[str], *, at: int) -> ImageLabel | Slip:
    """A label with a few words, of the picture under way or of one that a number names.

    Args:
        said: "o", "o no railing", "3 i": 3 is the third picture.
        images: The pictures as they are numbered, from 1.
        at: Place of the picture under way, from 0.
    """
    key, rest = _first(said)
    if key.isdecimal():
        if len(key) > 9 or not 1 <= int(key) <= len(images):
            return Slip(f"There is no picture {key[:9]}; there are {len(images)}.")
        at = int(key) - 1
        said = rest
        key, rest = _first(rest)
        if not key:
            return Slip(f"A number names a picture. Say what it is: {at + 1} i, {at + 1} o or {at + 1} ?")
    value = LABELS.get(key.lower())
    if value is None:
        return Slip("i is in, o is out, ? is unsure.")
    if rest and key not in ("i", "o", "?") and said.split()[0] == key:
        # "I don't know", "in doubt" and "out of focus" are words, and labels bind.
        return Slip("i is in, o is out, ? is unsure; your words come behind it, as in: o no railing.")
    return ImageLabel(image=images[at], value=value, reason=rest)


def read_response(said: str, image: str, clauses: Sequence[Clause]) -> Response | Slip | None:
    """What is said to a disagreement; None where it is passed over.

    Args:
        said: "o" puts the label right; "w" says that the model misread the picture, "w c2 c3" which clauses
            of; all else is a reason, in words.
        image: The picture, by content hash.
        clauses: The clauses that were judged.
    """
    plain = said.strip()
    if not plain:
        return None
    key, rest = _first(plain)
    # "in the shade" and "I think" are words.
    if (value := LABELS.get(key.lower())) is not None and (not rest or key in ("o", "O", "?")):
        return Response(image=image, kind="relabel", value=value, reason=rest)
    if key.lower() in MISREAD:
        named, reason = _clauses_first(rest, {clause.id for clause in clauses})
        return Response(image=image, kind="model_wrong", reason=reason, clauses=named)
    if is_slip(plain) or (key.isdecimal() and rest.lower() in LABELS):
        return Slip(f"{plain!r} says nothing here. i, o and ? are labels; w: the model misread the picture.")
    return Response(image=image, kind="reason", reason=plain)


def read_decision(said: str) -> tuple[bool, str] | Slip:
    """Whether an edit is accepted, and a few words."""
    key, rest = _first(said)
    if key.lower() in ("y", "yes", "n", "no"):
        return key.lower().startswith("y"), rest
    return Slip("Say y or n.")


def labels_in_words(labels: Mapping[str, ImageLabel], images: Sequence[str]) -> str:
    """The labels of a board on one line: "1 in, 2 out (no railing), 3 unsure"."""
    said: list[str] = []
    for number, image in enumerate(images, 1):
        if (label := labels.get(image)) is not None:
            said.append(f"{number} {label.value}" + (f" ({label.reason})" if label.reason else ""))
    return ", ".join(said)


def response_in_words(response: Response | None) -> str:
    """What a response was understood to say."""
    if response is None:
        return "nothing to say"
    words = f": {response.reason}" if response.reason else ""
    if response.kind == "relabel":
        return f"your label becomes {response.value}{words}"
    if response.kind == "model_wrong":
        what = f" ({', '.join(response.clauses)})" if response.clauses else ""
        return f"the model misread it{what}{words}"
    return f"your reason{words}"


def _first(said: str) -> tuple[str, str]:
    """The first word and the rest; "3i" is "3" and "i"."""
    plain = said.strip()
    digits = len(plain) - len(plain.lstrip("0123456789"))
    if digits and plain[digits:].strip(_GAP).lower() in LABELS:
        return plain[:digits], plain[digits:].strip(_GAP)
    key, _, rest = plain.partition(" ")
    return (key.rstrip(_GAP) or key), rest.strip(_GAP)


def _clauses_first(said: str, known: set[str]) -> tuple[tuple[str, ...], str]:
    """The clauses that a text begins with, and the rest."""
    words = said.split()
    named: list[str] = []
    while words and words[0].strip(_GAP).lower() in known:
        named.append(words.pop(0).strip(_GAP).lower())
    return tuple(dict.fromkeys(named)), " ".join(words)
