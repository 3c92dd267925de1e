"""What a run says of one image: label, candidates left, status, and the contributions that decided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeVar

from pydantic import Field

from fieldmark.records._base import Record

Status = Literal["resolved", "open", "rejected"]
StopReason = Literal["resolved", "no_progress", "max_rounds", "budget", "endpoint"]


class CandidateClass(Record):
    """A class that an image may still be."""

    class_name: str
    probability: float = Field(ge=0, le=1)


class Contribution(Record):
    """One attribute's part in deciding between the label and the runner-up.

    `contribution` is signed: positive speaks for the label. All contributions of a prediction
    sum to its `margin`.
    """

    attribute: str
    contribution: float
    label_value: str | None = None
    """What the field guide says of the label for this attribute (its likeliest value)."""
    runner_up_value: str | None = None
    seen: str | None = None
    """The value the image looks most like."""
    probability: float | None = Field(default=None, ge=0, le=1)
    """Of a yes/no aspect of an exported student: how likely it holds for the image; its values are "yes" and
    "no". None of any other attribute."""


class Prediction(Record):
    """The result for one image."""

    image: str
    """Path or name of the image as the user gave it."""
    image_hash: str
    label: str
    confidence: float = Field(ge=0, le=1)
    calibrated: bool = False
    """True only where labels set the scale of the confidence."""
    status: Status
    candidates: tuple[CandidateClass, ...]
    """The likeliest classes left, best first (the best one alone where none is left)."""
    candidates_left: int = Field(ge=0)
    """How many classes are left; 1 means resolved, 0 rejected."""
    rounds: int
    first_label: str | None = None
    """The label before any follow-up question."""
    first_confidence: float | None = None
    runner_up: str | None = None
    margin: float | None = None
    contributions: tuple[Contribution, ...] = ()
    fit: float | None = None
    """How well the best class fits, in median absolute deviations of the pool; None by other rules."""
    confusion: float | None = Field(default=None, ge=0, le=1)
    """Probability that it is of another class than the label, where it is of a listed one."""
    ignorance: float | None = Field(default=None, ge=0, le=1)
    """Probability that it is of no listed class."""
    why_open: Literal["confused", "ignorant"] | None = None
    """Of an open image: several classes fit it (confused), or none fits it well (ignorant)."""
    coarse_label: str | None = None
    """Of an open image: the smallest branch of the tree that it is surely in; None where there is none."""
    coarse_probability: float | None = Field(default=None, ge=0, le=1)
    """Probability of that branch: those of its classes together."""
    group: str | None = None
    """The group of images that share this label; None where it is alone, or shares none."""
    prior: float | None = Field(default=None, ge=0, le=1)
    """How likely the label was beforehand; None where nothing was known."""
    decided_by: Literal["loop", "method", "vlm", "label"] = "loop"
    """Whose word `decision` is: the loop's or another method's, that of a vision-language model that saw the
    open image, or a person's. An image that one of the last two said shows none of the classes is
    rejected."""
    vlm_label: str | None = None
    """What the vision-language model chose; None where it was not asked, chose none, or did not answer."""
    vlm_confidence: float | None = Field(default=None, ge=0, le=1)
    """How sure it says it is; not calibrated."""
    vlm_rationale: str = ""
    vlm_failure: str = ""
    """Why it gave no usable answer about this image: "refused", "limit", ...; empty where it did."""
    truth: str | None = None
    """The true class, only where labels were given for evaluation; never read by the loop."""

    @property
    def decision(self) -> str | None:
        """The label that counts in the end; None where the image is rejected: it shows none of the classes.

        `label` stays what the loop made of the image.
        """
        if self.status == "rejected":
            return None
        return self.vlm_label if self.decided_by == "vlm" and self.vlm_label is not None else self.label


class ClassProbabilities(Record):
    """Where a run keeps the probability of every class for every image."""

    FILE: ClassVar[str] = "probabilities.json"

    format: Literal["fieldmark.probabilities/1"] = "fieldmark.probabilities/1"
    classes: tuple[str, ...]
    """The columns."""
    array: str
    """SHA-256 that the run's store has the array under: `[N, C]` float32, rows as in `predictions.jsonl`."""
    listed: str = ""
    """In a pool too large for that the array is `[N, K]`; this one says which classes its columns are
    `[N, K]`, and its first N rows count. The classes beside them have probability 0."""


@dataclass
class LabelCount:
    """How many images got a label, and how sure that is."""

    label: str
    resolved: int = 0
    open: int = 0
    by_vlm: int = 0
    """Of the open ones: those that a vision-language model decided."""

    @property
    def images(self) -> int:
        """All of them."""
        return self.resolved + self.open


def counts_by_label(predictions: Iterable[Prediction]) -> list[LabelCount]:
    """Count images by the label that counts in the end (`decision`), the most frequent first.

    Rejected images fit no class and are counted under none.
    """
    found: dict[str, LabelCount] = {}
    for p in predictions:
        if p.decision is None:
            continue
        count = found.setdefault(p.decision, LabelCount(p.decision))
        count.resolved += p.status == "resolved"
        count.open += p.status == "open"
        count.by_vlm += p.decided_by == "vlm"
    return sorted(found.values(), key=lambda each: (-each.images, each.label))


class ImageToLabel(Record):
    """An image whose label would help."""

    image: str
    """Path or name of the image as the user gave it."""
    image_hash: str
    guess: str
    """The likeliest class."""
    candidates: tuple[str, ...]
    """The likeliest classes, best first."""
    probabilities: tuple[float, ...] = ()
    """Those of the candidates, in their order."""
    why: str


class GivenLabel(Record):
    """What a person said of an image: its class, or another answer; "taken back" undoes what was said."""

    image: str
    image_hash: str
    answer: Literal["class", "none of these", "cannot tell", "taken back"]
    label: str | None = None
    """The class, where that is the answer."""


class CommonMark(Record):
    """A value of an attribute that the images of a group show, and that others seldom show."""

    attribute: str
    value: str
    share: float = Field(ge=0, le=1)
    """Share of the group's images that it fits best."""
    usual: float = Field(ge=0, le=1)
    """The same of all images."""


class RejectedGroup(Record):
    """Rejected images that look alike: they may be of a class that is not listed."""

    images: tuple[str, ...] = Field(min_length=2)
    """Paths or names as the user gave them, the most typical one first."""
    image_hashes: tuple[str, ...]
    marks: tuple[CommonMark, ...] = ()
    """What they have in common, the most telling mark first; none where no question was asked."""

    @property
    def in_words(self) -> str:
        """A sentence: how many they are, what they may be, and their marks."""
        marks = ", ".join(each.value for each in self.marks)
        said = f"These {len(self.images):,} may be a class that is not on your list"
        return f"{said}: {marks}." if marks else f"{said}."


class RejectedGroups(Record):
    """The groups of a run's rejected images, the largest first; an image like no other is in none."""

    FILE: ClassVar[str] = "rejected.json"

    format: Literal["fieldmark.rejected/1"] = "fieldmark.rejected/1"
    groups: tuple[RejectedGroup, ...] = ()


class Unread(Record):
    """The result for an image that could not be read: it stands where its prediction would."""

    image: str
    """Path or name of the image as the user gave it."""
    reason: str
    status: Literal["unread"] = "unread"
    label: None = None
    confidence: None = None


class SkippedInput(Record):
    """An image or a folder that was not used, and why."""

    path: str
    reason: str


def passed_over_in_words(counts: Mapping[str, int], most: int = 8) -> str:
    """A sentence on the files that were passed over because of their suffix; empty where none were."""
    if not counts:
        return ""
    said = [f"{number:,} {suffix or 'without a suffix'}" for suffix, number in list(counts.items())[:most]]
    more = f" and {len(counts) - most} more kinds" if len(counts) > most else ""
    files = "file" if sum(counts.values()) == 1 else "files"
    return f"Passed over by suffix: {sum(counts.values()):,} {files} ({', '.join(said)}{more})."


class _OfImage(Protocol):
    @property
    def image(self) -> str: ...


P = TypeVar("P", bound=_OfImage)


def one_each(
    found: Iterable[P], skipped: Iterable[SkippedInput], inputs: Sequence[str]
) -> tuple[P | Unread, ...]:
    """One result for each image given, in order; an `Unread` where it could not be read.

    Args:
        found: What is said of those that could be read.
        skipped: Why others could not.
        inputs: Names of the images given; those that were read, where empty.
    """
    by_name = {each.image: each for each in found}
    reasons = {each.path: each.reason for each in skipped}
    return tuple(
        by_name.get(name) or Unread(image=name, reason=reasons.get(name, "it could not be read"))
        for name in inputs or by_name
    )


def in_cells(results: Iterable[Prediction | Unread]) -> list[tuple[str, str, str, str]]:
    """Image, label, status and confidence of each result, for a table of a notebook."""
    return [
        (
            each.image,
            each.label or "",
            each.status,
            "" if each.confidence is None else f"{each.confidence:.2f}",
        )
        for each in results
    ]


def counted(values: Iterable[str]) -> str:
    """How often each value is there, in words: "3 resolved, 2 open"."""
    return ", ".join(f"{number:,} {value}" for value, number in Counter(values).items())
