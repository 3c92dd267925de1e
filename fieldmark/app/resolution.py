"""What a classification gives back: predictions, the manifest, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.errors import InputError
from fieldmark.records import Prediction, RunManifest, Skipped

if TYPE_CHECKING:
    import pandas as pd

SMALL = 0.05
"""Contributions below this are told together."""


def shown_counts(predictions: Sequence[Prediction], kept_back: int) -> dict[str, int]:
    """How many open images were shown to a vision-language model, and what came of it; empty where none were.

    Args:
        predictions: All predictions.
        kept_back: Open images that a limit or a dead endpoint kept from it.
    """
    failed = sum(1 for p in predictions if p.vlm_failure)
    decided = sum(1 for p in predictions if p.decided_by == "vlm")
    none = sum(1 for p in predictions if p.vlm_confidence is not None and p.vlm_label is None)
    if not failed + decided + none:
        return {}
    return {
        "vlm_decided": decided,
        "vlm_none": none,
        "vlm_failed": failed - kept_back,
        "vlm_kept_back": kept_back,
    }


@dataclass(frozen=True)
class Resolution(Sequence[Prediction]):
    """What a run found: one prediction per usable image, in the order given.

    Attributes:
        predictions: The predictions.
        manifest: What was run, with what, and why it stopped.
        run: The run's folder.
    """

    predictions: tuple[Prediction, ...]
    manifest: RunManifest
    run: Path

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, index: Any) -> Any:
        return self.predictions[index]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    @property
    def usable(self) -> bool:
        """Whether anything came of it: not every image was rejected, nor every question left unanswered."""
        asked = self.manifest.usage
        unanswered = self.manifest.stop_reason == "unanswered" or (
            asked.failed > 0 and asked.failed == asked.requests and not asked.cached
        )
        return not unanswered and any(p.status != "rejected" for p in self.predictions)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Image files that were not used, with the reason."""
        return self.manifest.skipped

    def why(self, index: int) -> str:
        """Why an image got its label, in words: the marks that moved it from the runner-up.

        Where an open image was shown to a vision-language model, what that one chose follows.
        """
        p = self.predictions[index]
        shown = _shown_in_words(p)
        if not p.marks:
            by = "FuDD's rule, which gives no weights per mark" if p.rounds else "the first look alone"
            return "\n".join([f"{p.image}: {p.label} ({p.status}) by {by}.", *shown])
        lines = [f"{p.image}: {p.label} rather than {p.runner_up} ({p.status}, margin {p.margin:+.2f})"]
        small = [mark for mark in p.marks if abs(mark.contribution) < SMALL]
        for mark in p.marks:
            if mark in small:
                continue
            both = mark.label_value == mark.runner_up_value
            has = f"both {mark.label_value}" if both else f"{mark.label_value}, not {mark.runner_up_value}"
            says = f" ({has}; seen: {mark.seen})" if mark.seen else ""
            lines.append(f"  {mark.contribution:+.2f}  {mark.attribute}{says}")
        if small:
            rest = sum(mark.contribution for mark in small)
            lines.append(f"  {rest:+.2f}  {len(small)} smaller ones together")
        return "\n".join([*lines, *shown])

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("pandas is not installed.", hint='pip install "fieldmark[pandas]"') from error
        return pd.DataFrame([p.model_dump(exclude={"marks"}) for p in self.predictions])


def _shown_in_words(p: Prediction) -> list[str]:
    """What a vision-language model made of an image; nothing where it was not shown."""
    if p.vlm_failure:
        return [f"  The vision-language model did not decide it ({p.vlm_failure})."]
    if p.vlm_confidence is None:
        return []
    chose = p.vlm_label or "none of the candidates"
    return [f"  The vision-language model chose {chose} ({p.vlm_confidence:.0%} sure): {p.vlm_rationale}"]
