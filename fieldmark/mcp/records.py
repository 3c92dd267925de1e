"""What the tools say: short records, since a model reads all of it."""

from fieldmark.app.review.listing import RunSummary
from fieldmark.records import Prediction, Record


class Runs(Record):
    """Classifications, the latest first."""

    runs: tuple[RunSummary, ...]
    more: int = 0
    """Older ones that are not listed."""


class LabelledImage(Record):
    """One image in short."""

    image: str
    image_hash: str
    """Names it in other tools."""
    label: str
    """The likeliest class, also of a rejected image."""
    confidence: float
    """Chance that the label is right, as the run estimates it."""
    status: str
    """resolved; open (several classes remain); rejected (none of the classes fits)."""
    runner_up: str | None = None
    why_open: str | None = None
    said: str = ""
    """What a person said of it, which counts: a class, "none of these" or "cannot tell"."""

    @classmethod
    def of(cls, p: Prediction, said: str = "") -> "LabelledImage":
        """A prediction in short."""
        return cls(
            image=p.image,
            image_hash=p.image_hash,
            label=p.label,
            confidence=round(p.confidence, 4),
            status=p.status,
            runner_up=p.runner_up,
            why_open=p.why_open,
            said=said,
        )


class Pair(Record):
    """Two classes that open images lie between."""

    first: str
    second: str
    images: int


class RunImages(Record):
    """A run and a page of its images."""

    run: str
    classes: tuple[str, ...]
    """At most the first 200."""
    counts: dict[str, int]
    """Images by what counts of them now: a class, or "none of these"; the most frequent 200."""
    statuses: dict[str, int]
    confused: tuple[Pair, ...]
    asks: tuple[str, ...]
    """Hashes of images whose labels by a person would help most."""
    images: tuple[LabelledImage, ...]
    page: int
    pages: int


class Marks(Record):
    """Why an image has its label and not the runner-up: the parts sum to the margin."""

    image: LabelledImage
    candidates: dict[str, float]
    """Classes that are left, with their probabilities."""
    margin: float | None
    marks: tuple["Mark", ...]
    rest: float = 0.0
    """What the marks that are not listed add up to."""


class Mark(Record):
    """One attribute's part of the margin."""

    attribute: str
    weight: float
    """Above 0 it speaks for the label, below 0 for the runner-up."""
    label_has: str | None = None
    runner_up_has: str | None = None
    picture_shows: str | None = None


class Labels(Record):
    """What an exported classifier says of images."""

    images: tuple[LabelledImage, ...]
    unread: dict[str, str]
    """Files that could not be read, with the reason."""
    more: int = 0
    """Images beyond the first ones, labelled and not listed."""


class ConceptCall(Record):
    """What a concept's classifier says of one image."""

    image: str
    label: str
    """in or out."""
    probability: float
    decided_by: str = ""
    """The clause that speaks loudest for the label."""


class ConceptCalls(Record):
    """What a concept's classifier says of images."""

    concept: str
    images: tuple[ConceptCall, ...]
    unread: dict[str, str]
    more: int = 0


class ConceptText(Record):
    """A concept as its owner defined it."""

    name: str
    about: str
    version: int
    clauses: dict[str, tuple[str, ...]]
    """By role: necessary, positive, negative."""
    labels: int
    decided: tuple[str, ...]
    """Questions that were settled, with the answer."""
