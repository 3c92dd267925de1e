"""Understands plain sentences about a bird: finds in them the conditions on marks, habitat and light."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from fieldmark.aviary.language.associations import MEANINGS
from fieldmark.aviary.language.parts import Adjectives, described, says_something
from fieldmark.aviary.language.tree import Element, tree_of
from fieldmark.aviary.language.words import FILLERS, LEXICON, LONGEST, Item
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY
from fieldmark.aviary.world.conditions import VALUES, Condition, Feels, Is, all_of, atoms, present

_MOST_CHARACTERS = 4000
_ADJECTIVES = frozenset({"colour", "size", "shape", "own", "pattern"})
_BEYOND = re.compile(r"\b(?:same|than|different|differs?|equal|match(?:es|ing)?)\b")
_COMPARED = re.compile(r"(?:no|not) (?:smaller|larger|bigger) than|(?:other|rather) than")
_ANY_BIRD = re.compile(r"\b(?:birds?|animals?)\b")
_WORDS = re.compile(r"[a-z]+|[,.;:()!?]")


@dataclass(frozen=True, slots=True)
class Understood:
    """What a sentence says, as far as it was understood.

    Attributes:
        condition: What it asks of a bird.
        strange: Words that mean nothing to the reader.
    """

    condition: Condition
    strange: tuple[str, ...] = ()


def understand(text: str, *, about: str | None = None) -> Understood | None:
    """Understand what a sentence asks of a bird.

    Values of one part may be alternatives ("a red or orange cap"). Conditions on several parts must all
    hold, unless they are joined by "or"; "or" binds tighter than "and", but looser after a comma of its own.
    Comparisons between parts ("the same colour as") are not understood.

    Args:
        text: One sentence or a few.
        about: The feature that is talked of, so that "red or orange" alone can be understood; None
            takes a bare colour for that of the body.

    Returns:
        What was understood; None if nothing was. A sentence that says no more than that there is a bird
        asks nothing, and so holds for every bird.
    """
    plain = _plain(text)
    if _BEYOND.search(_COMPARED.sub("", plain)):
        return None
    items, strange = _items(plain)
    found: list[Condition] = []
    for sentence in _split(items):
        elements = _Reader(sentence, about).elements()
        condition = tree_of(elements)
        if condition is not None:
            found.append(condition)
    if not found and not strange and _ANY_BIRD.search(plain):
        return Understood(all_of([]))  # "The picture shows a bird.": true, and asks nothing
    return Understood(all_of(found), strange) if found else None


def values_described(text: str) -> dict[str, str]:
    """Read a description of one bird: the value of every feature that it settles.

    Args:
        text: A description such as "A small bird with a red cap and no crest, at night."

    Returns:
        Feature → value, of those with exactly one; the first one said counts.
    """
    understood = understand(text)
    values: dict[str, str] = {}
    if understood is None:
        return values
    for found, negated in atoms(understood.condition):
        possible = frozenset(VALUES[found.key])
        left = possible - found.values if negated else possible & found.values
        if len(left) == 1:
            values.setdefault(found.key, next(iter(left)))
    return values


def _plain(text: str) -> str:
    plain = text[:_MOST_CHARACTERS].casefold().replace("’", "'")
    plain = plain.replace("can't", "can not").replace("won't", "will not").replace("n't", " not")
    return plain.replace("'s ", " ").replace("'", "").replace("-", " ").replace("/", " or ").replace("_", " ")


def _items(text: str) -> tuple[list[Item], tuple[str, ...]]:
    """Words and phrases with their meanings, the longest phrases first; and the strange words."""
    words = _WORDS.findall(text)
    items: list[Item] = []
    strange: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(LONGEST, len(words) - at), 0, -1):
            phrase = " ".join(words[at : at + length])
            item = _LEXICON.get(phrase)
            if item is not None:
                items.append(Item("shape", word=phrase) if item.kind == "shape" else item)
                at += length
                break
        else:
            if words[at] not in FILLERS and len(words[at]) > 1:
                strange.append(words[at])
            at += 1
    return items, tuple(strange)


def _split(items: Sequence[Item]) -> list[list[Item]]:
    sentences: list[list[Item]] = [[]]
    for item in items:
        if item.kind == "stop":
            sentences.append([])
        else:
            sentences[-1].append(item)
    return [sentence for sentence in sentences if sentence]


@dataclass
class _Reader:
    """Reads one sentence from left to right, and puts adjectives and parts together."""

    items: Sequence[Item]
    about: str | None
    at: int = 0
    out: list[Element] = field(default_factory=list)
    subject: Item | None = None
    bound: "Adjectives | None" = None
    shared: bool = False
    companions: list[Item] = field(default_factory=list)
    """Parts named before the subject, of which the same will be said."""
    companioned: str = "and"
    pending: bool = False
    """Whether the subject was named and nothing has been said of it yet."""

    def elements(self) -> list[Element]:
        while self.at < len(self.items):
            item = self.items[self.at]
            if item.kind in _ADJECTIVES or item.kind in ("at_least", "at_most"):
                self._adjectives()
            elif item.kind == "part":
                self._part(item)
                self.at += 1
            else:
                self._other(item)
                self.at += 1
        self._settle()
        return self.out

    def _other(self, item: Item) -> None:
        kind = item.kind
        if item.condition is not None:
            self._settle()
            vague = kind == "vague"
            self.out.append(Element("is", Feels(item.word, item.condition) if vague else item.condition))
            self.shared = False
        elif kind in ("not", "without", "except", "nor"):
            if self.pending and not self._is_next_about_subject():
                self._settle()
            self.out.append(Element(kind))
            self.shared = False
        elif kind in ("or", "and", "but", "comma"):
            if self.pending and kind != "but" and self.subject and not _can_be_absent(self.subject.key):
                self.companions.append(self.subject)  # "its body and wings are red"
                self.companioned = "or" if kind == "or" else "and"
                self.pending = False
                return
            self._settle()
            self.out.append(Element(kind))
        elif kind == "is" and self._kind_at(self.at - 1) in ("or", "and"):
            self.out.append(Element("with"))  # "has no crest or is seen at night": a new predicate
        elif kind in ("any_of", "may"):
            self.out.append(Element(kind))
        elif kind in ("with", "article", "bird"):
            if kind != "article":
                self._settle()
                self.companions.clear()
                self.out.append(Element("with"))
            if kind == "bird":
                self.subject = None
            self.shared = False

    def _part(self, part: Item) -> None:
        """A part without adjectives of its own: shared ones, one's own later, or just that it is there."""
        self._settle()
        if self.shared and self.bound is not None and self._kind_at(self.at - 1) in ("or", "and"):
            condition = described(part, self.bound)
            if isinstance(condition, Is) and condition.values & set(VALUES[condition.key]):
                self.out.append(Element("is", condition))
                self.subject = part
                return
        self.subject, self.pending, self.shared = part, True, False

    def _adjectives(self) -> None:
        run = Adjectives.read(self.items, self.at)
        after = self._kind_at(run.end)
        if after == "part":
            part = self.items[run.end]
            if self.pending and len(run.groups) > 1:
                # "The cap is red and long legs ...": the first is still about the cap.
                first, run = run.divided()
                self._say(self.subject, first)
                self.out.append(Element(run.joiner))
            self._settle()
            self._say(part, run)
            self.subject, self.bound, self.shared = part, run, True
            self.at = run.end + 1
            return
        subject = self.subject if self.pending or self._kind_at(self.at - 1) in ("is", "not") else None
        self._say(subject, run)
        self.at = run.end

    def _say(self, part: Item | None, run: Adjectives) -> None:
        if part is not None and part is self.subject:
            self.pending = False
            if not says_something(part, run):
                part = None  # "a cap that is not striped": it is the bird that is striped
            for companion in self.companions:
                also = described(companion, run, about=self.about)
                self.out += [] if also is None else [Element("is", also), Element(self.companioned)]
        self.companions.clear()
        condition = described(part, run, about=self.about)
        if condition is not None:
            self.out.append(Element("is", condition))

    def _settle(self) -> None:
        """What was named and not described is there, if it is a mark that can be absent."""
        part, was = self.subject, self.pending
        self.pending = False
        if was and part is not None and not part.weak and _can_be_absent(part.key):
            self.out.append(Element("is", present(part.key)))

    def _is_next_about_subject(self) -> bool:
        return self._kind_at(self.at + 1) in _ADJECTIVES

    def _kind_at(self, at: int) -> str:
        return self.items[at].kind if 0 <= at < len(self.items) else ""


def _can_be_absent(part: str) -> bool:
    return part in ATTRIBUTE_BY_KEY and ATTRIBUTE_BY_KEY[part].can_be_absent


def _with_vague() -> dict[str, Item]:
    lexicon = dict(LEXICON)
    for word, meanings in MEANINGS.items():
        lexicon.setdefault(word, Item("vague", word=word, condition=all_of(list(meanings))))
    lexicon.update({sign: Item("stop") for sign in ".;!?"})
    lexicon.update({",": Item("comma"), ":": Item("is"), "(": Item("is")})
    return lexicon


_LEXICON: Mapping[str, Item] = MappingProxyType(_with_vague())
