"""One image with its label, as files of other tools carry it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TaggedImage:
    """One image with its label.

    Attributes:
        path: Its path or name.
        label: A class, `NONE_OF_THESE`, or "" where it has none, or several.
        labels: All classes that were read of it, in order, each once.
        content_hash: SHA-256 of the file; "" where the file of the other tool has none.
        confidence: Of the label, 0 to 1; None where nobody said.
        status: "resolved", "open" or "rejected"; "" where nobody said.
        by: Who gave the label: "run" or "person"; "" where it was read and has none.
        width: Pixels; 0 where not known.
        height: Pixels; 0 where not known.
    """

    path: str
    label: str
    content_hash: str = ""
    confidence: float | None = None
    status: str = ""
    by: str = "run"
    width: int = 0
    height: int = 0
    labels: tuple[str, ...] = ()
