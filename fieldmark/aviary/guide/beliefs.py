"""What the scripted guide holds to be true of each species, and where it is wrong."""

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, BUILD_KEYS, KEYS, KIND_BY_NOUN, NONE
from fieldmark.aviary.world.species import Species, random_marks, world_hash
from fieldmark.errors import InputError
from fieldmark.records.names import plain_name

MistakeKind = Literal["family", "persistent"]
_KNOWN_FAMILY = "known"
_LONE_NOUNS = [[noun] for noun in KIND_BY_NOUN]


@dataclass(frozen=True, kw_only=True)
class GuideSettings:
    """How often the guide is wrong, and how freely it words its answers.

    A mistake is another value of the same attribute. Mistakes are of three kinds: *family* ones are
    shared by a whole family of look-alikes, whose members are then described alike; *persistent* ones
    belong to one species and are repeated in every answer; *slips* come and go with the question and
    its sampling seed. Slips take the share that the other two leave.

    Attributes:
        mistakes: Share of wrong statements over the full species × attribute table, 0 to 0.6.
        family_share: Share of the mistakes that are family ones. Species without look-alikes in the
            book have persistent ones in their place.
        persistent_share: Share of the mistakes that are persistent.
        other_names: How often an attribute is called by another name ("beak color").
        other_words: How often a value is put in other words ("a crimson breast").
        distinguishing: How often a mark of a general description sets the species apart from its family.
        seed: Which mistakes are made, among all worlds with the same shares.
    """

    mistakes: float = 0.15
    family_share: float = 0.5
    persistent_share: float = 0.3
    other_names: float = 0.15
    other_words: float = 0.5
    distinguishing: float = 0.12
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that every share can be met."""
        if not 0 <= self.mistakes <= 0.6:
            raise InputError(
                f"the guide's share of mistakes must lie between 0 and 0.6, not {self.mistakes}.",
                hint="0.15 is the usual share, 0 makes it truthful.",
            )
        shares = {
            "family_share": self.family_share,
            "persistent_share": self.persistent_share,
            "other_names": self.other_names,
            "other_words": self.other_words,
            "distinguishing": self.distinguishing,
        }
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise InputError(f"{name} must lie between 0 and 1, not {share}.", hint="Give a share.")
        if self.family_share + self.persistent_share > 1 + 1e-9:
            raise InputError(
                "family_share and persistent_share must not add up to more than 1.",
                hint="Slips take what they leave.",
            )

    @property
    def slip_share(self) -> float:
        """Share of the mistakes that are slips."""
        return max(0.0, 1.0 - self.family_share - self.persistent_share)


@dataclass(frozen=True, slots=True)
class Impression:
    """What the guide holds of one name."""

    name: str
    """The name as the question spelled it."""
    held: Mapping[str, str]
    """Value of every attribute, by key, right or wrong."""
    typical: frozenset[str]
    """Keys in which it is held to look like most of its family."""
    entry: str | None
    """Its name in the book; None if it is not there, so that what is held of it is made up."""


def seeded_rng(*parts: object) -> random.Random:
    """A source of chance that depends on nothing but `parts`: the same in every process."""
    return random.Random(int.from_bytes(_digest(*parts)[:8], "big"))


class Beliefs:
    """The guide's table of species × attributes, with its mistakes.

    The family and persistent mistakes are drawn once, as many as the settings ask for (to the nearest
    whole statement); slips are drawn when a statement is made, so often that all together make up
    `settings.mistakes`.
    """

    def __init__(self, book: Sequence[Species], settings: GuideSettings) -> None:
        self.settings = settings
        self._root = (world_hash(book), settings.seed)
        self._truth = {species.name: species.marks for species in book}
        self._held = {species.name: dict(species.marks) for species in book}
        self._kinds: dict[tuple[str, str], MistakeKind] = {}
        families: dict[str, list[str]] = {}
        for species in book:
            alone = species.family == _KNOWN_FAMILY
            families.setdefault(species.name if alone else species.family, []).append(species.name)
        related = [members for members in families.values() if len(members) > 1]
        self._draw_lasting(related, family_share=settings.family_share)
        self._draw_lasting([m for m in families.values() if len(m) == 1], family_share=0.0)
        self._typical = {
            name: self._typical_of(name, members) for members in families.values() for name in members
        }
        right = 1.0 - settings.mistakes * (settings.family_share + settings.persistent_share)
        self._slip_rate = settings.mistakes * settings.slip_share / right
        self._by_plain_name = {plain_name(name): name for name in self._held}

    def of(self, name: str) -> Impression:
        """Say what is held of a name; of a name that is not in the book, something is made up.

        What is made up fits the kind of bird that the name ends in, if it does, and stays the same
        from question to question.
        """
        known = name if name in self._held else self._by_plain_name.get(plain_name(name))
        if known is not None:
            return Impression(name, MappingProxyType(self._held[known]), self._typical[known], known)
        words = plain_name(name).split()
        noun = words[-1] if words and words[-1] in KIND_BY_NOUN else None
        marks = random_marks(seeded_rng("unknown", *self._root, plain_name(name)), noun)
        return Impression(name, MappingProxyType(marks), frozenset(KEYS), None)

    def stated(self, impression: Impression, key: str, question: str) -> str:
        """The value that is stated in an answer: what is held, but for a slip.

        Args:
            impression: What is held of the species.
            key: The attribute.
            question: Anything that names the question and its sampling seed; slips depend on it.
        """
        held = impression.held[key]
        entry = impression.entry
        if entry is None or (entry, key) in self._kinds:
            return held
        rng = seeded_rng("slip", *self._root, question, entry, key)
        return _another(rng, key, held) if rng.random() < self._slip_rate else held

    def any_bird(self, names: Sequence[str]) -> bool:
        """Whether any of the names is in the book, or ends in a kind of bird."""
        return any(
            plain_name(name) in self._by_plain_name or plain_name(name).split()[-1:] in _LONE_NOUNS
            for name in names
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the book, in its order."""
        return tuple(self._held)

    def species_of(self, noun: str) -> tuple[str, ...]:
        """Names of the species of one kind, in the book's order."""
        return tuple(name for name in self._held if plain_name(name).split()[-1] == noun)

    def _draw_lasting(self, families: list[list[str]], *, family_share: float) -> None:
        """Draw family, then persistent mistakes for these families, exactly as many as asked for."""
        names = [name for members in families for name in members]
        cells = len(names) * len(KEYS)
        wanted = round(self.settings.mistakes * family_share * cells)
        lasting = self.settings.family_share + self.settings.persistent_share
        wanted_in_all = round(self.settings.mistakes * lasting * cells)
        rng = seeded_rng("lasting", *self._root, *names)
        shared = [(members, key) for members in families for key in KEYS]
        rng.shuffle(shared)
        drawn = 0
        for members, key in shared:
            if drawn == wanted:
                break
            value = self._shared_value(rng, members, key)
            wrong = [name for name in members if self._truth[name][key] != value]
            if drawn + len(wrong) <= wanted:
                drawn += len(wrong)
                for name in members:
                    self._held[name][key] = value
                for name in wrong:
                    self._kinds[name, key] = "family"
        taken = {(id(members), key) for members, key in shared if self._is_shared(members, key)}
        single = [
            (name, key)
            for members in families
            for name in members
            for key in KEYS
            if (id(members), key) not in taken
        ]
        rng.shuffle(single)
        for name, key in single[: max(0, wanted_in_all - drawn)]:
            self._held[name][key] = _another(rng, key, self._truth[name][key])
            self._kinds[name, key] = "persistent"

    def _shared_value(self, rng: random.Random, members: list[str], key: str) -> str:
        # A value that no member has, where there is one: then the whole family is described wrongly.
        counts = Counter(self._truth[name][key] for name in members)
        usual = counts.most_common(1)[0][0]
        unused = [value for value in ATTRIBUTE_BY_KEY[key].values if value not in counts]
        return rng.choice(unused) if unused else _another(rng, key, usual)

    def _is_shared(self, members: list[str], key: str) -> bool:
        return any(self._kinds.get((name, key)) == "family" for name in members)

    def _typical_of(self, name: str, members: list[str]) -> frozenset[str]:
        own = self._held[name]
        votes = {key: Counter(self._held[member][key] for member in members) for key in KEYS}
        shared = {key for key in KEYS if votes[key][own[key]] * 2 > len(members)}
        return frozenset(shared | set(BUILD_KEYS))


def _another(rng: random.Random, key: str, value: str) -> str:
    """Another value of the attribute, a visible one four times out of five."""
    others = [other for other in ATTRIBUTE_BY_KEY[key].values if other != value]
    visible = [other for other in others if other != NONE]
    return rng.choice(visible if visible and rng.random() < 0.8 else others)


def _digest(*parts: object) -> bytes:
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
