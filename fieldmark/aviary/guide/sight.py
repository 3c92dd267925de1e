"""How the scripted guide perceives the pictures it knows: mostly rightly, and always the same way.

It is no vision model: it recognises pictures and looks up what they show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType

from fieldmark.aviary.guide.beliefs import seeded_rng
from fieldmark.aviary.guide.gallery import Gallery, PictureFacts
from fieldmark.aviary.language.clause_words import bird_described
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, LIGHT_SHARES, LIGHTS, NONE
from fieldmark.aviary.world.conditions import FEATURES, HABITAT, LIGHT, UNKNOWN_VALUE, VALUES, View
from fieldmark.errors import InputError

SMALL_PARTS = frozenset({"cap", "collar", "eye_ring", "leg_colour", "leg_length", "bill_colour"})
"""What is misperceived more often."""
_SMALL_PART_RISK = 2.5
_DIM_RISK = 2.0
_DIM = frozenset({"night", "fog"})
_PLACE_RISK = 0.3
# What a colour is taken for, the likeliest first.
_LOOKS_LIKE: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "red": ("orange", "pink", "brown"), "orange": ("red", "yellow", "brown"), "yellow": ("orange", "white"),
    "green": ("teal", "blue"), "blue": ("teal", "purple", "black"), "purple": ("blue", "pink", "black"),
    "brown": ("black", "orange", "grey"), "black": ("brown", "grey", "blue"), "white": ("grey", "yellow",
    "pink"),
    "grey": ("white", "brown", "blue"), "pink": ("red", "white", "purple"), "teal": ("blue", "green"),
    "needle": ("curved", "dagger"), "dagger": ("needle", "cone"), "hooked": ("curved", "cone"),
    "curved": ("needle", "hooked"), "cone": ("dagger", "flat"), "flat": ("cone", "dagger"),
    "striped": ("barred", "spotted"), "barred": ("striped", "spotted"), "spotted": ("barred", "plain"),
    "plain": ("spotted",), "small": ("medium",), "medium": ("large", "small"), "large": ("medium",),
    "short": ("long", "fan"), "long": ("short", "forked"), "forked": ("long", "fan"), "fan": ("short",
    "long"),
    "sunset": ("day",), "day": ("sunset", "fog"), "night": ("sunset",), "fog": ("day",),
    "water": ("sky", "meadow"), "sky": ("water", "snow"), "meadow": ("forest",), "forest": ("meadow",),
    "snow": ("sky", "desert"), "desert": ("meadow", "snow"),
})  # fmt: skip
_FIRST_GUESS = 0.7
_MISSED_SHARE = 0.5
"""How often a small mark that is taken for something else is not seen at all."""


@dataclass(frozen=True, kw_only=True)
class SightSettings:
    """How well the guide sees.

    What it takes a picture to show is drawn once for each picture and feature, so that all its answers about
    one picture agree; unless it wavers. Small parts (cap, collar, eye ring, legs, bill colour) go wrong 2.5
    times as often as the rest, everything twice as often at night and in fog, habitat and light less often.

    Attributes:
        mistakes: Share of the features of a picture that it takes for something else, on average over the
            aviary's lights, 0 to 0.3.
        cannot_tell: Share of the features that it cannot make out, likewise, 0 to 0.3.
        refused: Share of the pictures that it declines to talk about, as language models do, 0 to 0.5.
        seed: Which mistakes are made.
        wavering: Share of the features that it takes for something else in one answer, drawn anew for each
            question, and for each sample of one, 0 to 0.3. Nobody knows how much of a real model's mistakes
            is of this kind.
    """

    mistakes: float = 0.06
    cannot_tell: float = 0.02
    refused: float = 0.01
    seed: int = 0
    wavering: float = 0.0

    def __post_init__(self) -> None:
        """Check that every share can be met."""
        for name, most in (("mistakes", 0.3), ("cannot_tell", 0.3), ("refused", 0.5), ("wavering", 0.3)):
            share = getattr(self, name)
            if not 0 <= share <= most:
                raise InputError(
                    f"the share {name!r} of the guide's sight must lie between 0 and {most}, not {share}.",
                    hint="0 for all three makes it see everything.",
                )

    @property
    def identity(self) -> str:
        """The settings in a few characters, for names that must change with them."""
        named = [f for f in fields(self) if f.name != "wavering" or self.wavering]  # older names stay
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in named)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the guide takes one picture to show."""

    picture: str
    """Content hash of the original picture."""
    view: View
    seen: str
    """What it sees, in plain words."""
    refused: bool


class Sight:
    """The guide's eyes."""

    def __init__(self, gallery: Gallery, settings: SightSettings | None = None) -> None:
        self.gallery = gallery
        self.settings = settings or SightSettings()
        self.identity = f"gallery={gallery.identity} sight={self.settings.identity}"
        """What its glimpses depend on."""
        self._steady: dict[str, tuple[dict[str, str], dict[str, float]]] = {}

    def look(self, data: bytes, *, question: str = "") -> Glimpse | None:
        """Look at a picture.

        Args:
            data: Its bytes.
            question: Names the question that is asked, and its sample: who wavers sees anew for each.

        Returns:
            What it takes the picture to show; None if it cannot tell, because it is none it knows.

        Raises:
            UnusableImageError: If the bytes are no picture.
        """
        facts = self.gallery.look(data)
        return None if facts is None else self._perceive(facts, question)

    def _perceive(self, facts: PictureFacts, question: str = "") -> Glimpse:
        steady = self._steady.get(facts.content_hash)
        if steady is None:
            steady = self._steady[facts.content_hash] = self._perceive_steadily(facts)
        values, certainty = dict(steady[0]), dict(steady[1])
        declined = (
            seeded_rng("refused", self.settings.seed, facts.content_hash).random() < self.settings.refused
        )
        if self.settings.wavering:
            now = seeded_rng("waver", self.settings.seed, facts.content_hash, question)
            for key in FEATURES:
                draw, first, second, sure = (now.random() for _ in range(4))
                if draw < self.settings.wavering * _risk(key, facts.values[LIGHT]):
                    values[key] = mistaken(key, facts.values[key], first, second)
                    certainty[key] = 0.6 + 0.3 * sure
        view = View(MappingProxyType(values), MappingProxyType(certainty))
        return Glimpse(facts.content_hash, view, bird_described(values), declined)

    def _perceive_steadily(self, facts: PictureFacts) -> tuple[dict[str, str], dict[str, float]]:
        """Values and certainty of all features, the same for every question."""
        values: dict[str, str] = {}
        certainty: dict[str, float] = {}
        for key in FEATURES:
            rng = seeded_rng("sight", self.settings.seed, facts.content_hash, key)
            true = facts.values[key]
            risk = _risk(key, facts.values[LIGHT])
            # Drawn in any case, so that guides of different rates can be compared picture by picture.
            draw, drawn_value, sure = (
                rng.random(),
                mistaken(key, true, rng.random(), rng.random()),
                rng.random(),
            )
            if draw < self.settings.mistakes * risk:
                values[key], certainty[key] = drawn_value, 0.6 + 0.3 * sure
            elif draw > 1 - self.settings.cannot_tell * risk:
                values[key], certainty[key] = UNKNOWN_VALUE, 0.5
            else:
                values[key], certainty[key] = true, 0.99 - 0.24 * sure * min(risk, 1.5)
        return values, certainty


@cache
def _risk(key: str, light: str) -> float:
    """How much likelier than on average a feature is misperceived in this light."""
    weights = {each: _weight(each) for each in FEATURES}
    mean_light = sum(
        share * (_DIM_RISK if name in _DIM else 1.0) for name, share in zip(LIGHTS, LIGHT_SHARES, strict=True)
    )
    mean = mean_light * sum(weights.values()) / len(FEATURES)
    return weights[key] * (_DIM_RISK if light in _DIM else 1.0) / mean


def _weight(key: str) -> float:
    if key in (HABITAT, LIGHT):
        return _PLACE_RISK
    return _SMALL_PART_RISK if key in SMALL_PARTS else 1.0


def mistaken(key: str, value: str, first: float, second: float) -> str:
    """What a value is taken for: mostly what looks like it; small marks are often missed altogether."""
    possible = [each for each in VALUES[key] if each != value]
    can_be_absent = key in ATTRIBUTE_BY_KEY and ATTRIBUTE_BY_KEY[key].can_be_absent
    if can_be_absent and value != NONE and first < _MISSED_SHARE:
        return NONE
    alike = [each for each in _LOOKS_LIKE.get(value, ()) if each in possible]
    if alike and second < _FIRST_GUESS:
        return alike[0]
    chosen = alike or [each for each in possible if each != NONE] or possible
    return chosen[int(second * 1_000_003) % len(chosen)]
