"""What a classification gives back: predictions, the manifest, and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.app.by_method.choice import LOOP
from fieldmark.errors import InputError
from fieldmark.records import Prediction, RejectedGroup, RejectedGroups, RunManifest, SkippedInput, Unread
from fieldmark.records.predictions import counted, in_cells, one_each
from fieldmark.records.tables import data_frame, html_table
from fieldmark.tools.runs.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from fieldmark.agents.resolve.state import ResolveState

UNANSWERED = (
    "No question was answered: see what the endpoint can do with `fieldmark doctor` "
    "(`probe_endpoint` in Python)."
)
SMALL = 0.05
"""Contributions below this are summed."""


def counts_of_open(predictions: Sequence[Prediction], kept_back: int) -> dict[str, int]:
    """What became of open images: how many got a branch of the tree, and what a vision-language model said.

    What happened to none is left out.

    Args:
        predictions: All predictions.
        kept_back: Open images that a limit or a dead endpoint kept from it.
    """
    coarse = sum(p.coarse_label is not None for p in predictions)
    branches = {"coarse": coarse} if coarse else {}
    failed = sum(1 for p in predictions if p.vlm_failure)
    decided = sum(1 for p in predictions if p.decided_by == "vlm" and p.vlm_label is not None)
    none = sum(1 for p in predictions if p.vlm_confidence is not None and p.vlm_label is None)
    if not failed + decided + none:
        return branches
    return branches | {
        "vlm_decided": decided,
        "vlm_none": none,
        "vlm_failed": failed - kept_back,
        "vlm_kept_back": kept_back,
    }


def run_counts(state: "ResolveState", predictions: Sequence[Prediction]) -> dict[str, int]:
    """What came of a run, in numbers."""
    statuses = Counter(p.status for p in predictions)
    worth = state.history[-1].views
    return {
        "resolved": statuses["resolved"],
        "open": statuses["open"],
        "rejected": statuses["rejected"],
        "rounds": state.round,
        "questions": state.history[-1].questions,
        **({"book_judges": worth.judges} if worth is not None and worth.judges else {}),
        **counts_of_open(predictions, state.looks_kept_back),
    }


@dataclass(frozen=True)
class Resolution(Sequence[Prediction | Unread]):
    """What a run found: one result for each image given, in order; a folder stands for its files, by name.

    An image that could not be read has an `Unread` with the reason in its place, whose label is None.

    Attributes:
        predictions: The predictions, one for each distinct file that could be read.
        manifest: What was run, with what, and why it stopped.
        run: The run's folder.
        inputs: Names of the images given, in order; those of the predictions where empty.
    """

    predictions: tuple[Prediction, ...]
    manifest: RunManifest
    run: Path
    inputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: Any) -> Any:
        return self.results[index]

    def __iter__(self) -> Iterator[Prediction | Unread]:
        return iter(self.results)

    def __repr__(self) -> str:
        found = counted(each.status for each in self.results)
        return f"Resolution({len(self):,} images: {found}; run {str(self.run)!r})"

    def _repr_html_(self) -> str:
        """A table of the first results, for notebooks."""
        cells = in_cells(self.results)
        return html_table(repr(self), ("image", "label", "status", "confidence"), cells)

    @cached_property
    def results(self) -> tuple[Prediction | Unread, ...]:
        """One result for each image given, in order."""
        return one_each(self.predictions, self.manifest.skipped, self.inputs)

    @cached_property
    def method(self) -> str:
        """What labelled the images: "resolve" is the loop."""
        if not (self.run / "config.json").is_file():
            return LOOP
        return str(RunFolder(self.run).config.options.get("method") or LOOP)

    @cached_property
    def rejected_groups(self) -> tuple[RejectedGroup, ...]:
        """Rejected images that look alike, and the marks they have in common; the largest group first."""
        if not (self.run / RejectedGroups.FILE).is_file():
            return ()
        return RunFolder(self.run).read(RejectedGroups.FILE, RejectedGroups).groups

    @property
    def usable(self) -> bool:
        """Whether anything came of it: not every image was rejected, nor every question left unanswered."""
        asked = self.manifest.usage
        unanswered = self.manifest.stop_reason == "unanswered" or (
            asked.failed > 0 and asked.failed == asked.requests and not asked.cached
        )
        return not unanswered and any(p.status != "rejected" for p in self.predictions)

    @property
    def skipped(self) -> tuple[SkippedInput, ...]:
        """Image files that were not used, with the reason."""
        return self.manifest.skipped

    def why(self, image: int | str | Path) -> str:
        """Why an image got its label, in words: the attributes that moved it from the runner-up.

        Where an open image was shown to a vision-language model, what that one chose follows.

        Args:
            image: Its place in these results, or its path as it was given.

        Raises:
            InputError: There is no such image.
        """
        p = self._result(image)
        if isinstance(p, Unread):
            return f"{p.image}: not read, {p.reason}."
        shown = [*_branch_in_words(p), *_shown_in_words(p)]
        if not p.contributions:
            if p.decided_by == "method":
                return f"{p.image}: {p.label} ({p.status}) by {self.method}, which gives no reasons."
            by = "FuDD's rule, which gives no weights per attribute" if p.rounds else "the first look alone"
            return "\n".join([f"{p.image}: {p.label} ({p.status}) by {by}.", *shown])
        status = f"{p.status}, {p.why_open}" if p.why_open else p.status
        lines = [f"{p.image}: {p.label} rather than {p.runner_up} ({status}, margin {p.margin:+.2f})"]
        small = [each for each in p.contributions if abs(each.contribution) < SMALL]
        for each in p.contributions:
            if each in small:
                continue
            both = each.label_value == each.runner_up_value
            text = each.label_value or each.runner_up_value
            has = f"both {each.label_value}" if both else f"{each.label_value}, not {each.runner_up_value}"
            says = f" ({has}; seen: {each.seen})" if each.seen else f" {text!r}" if text else ""
            lines.append(f"  {each.contribution:+.2f}  {each.attribute}{says}")
        if small:
            rest = sum(each.contribution for each in small)
            lines.append(f"  {rest:+.2f}  {len(small)} smaller ones together")
        return "\n".join([*lines, *shown])

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image, in order; a column for each field of `Prediction`, and `decision` and `reason`.

        `decision` is the label that counts in the end: the vision-language model's where it decided, and None
        where the image is rejected. `reason` says why an image could not be read; its other fields are empty.
        `candidates` and `contributions` hold lists of mappings with the fields of `CandidateClass` and
        `Contribution`.

        Raises:
            InputError: pandas is not installed.
        """
        columns = [*Prediction.model_fields, "decision", "reason"]
        rows = [{**each.model_dump(), "decision": getattr(each, "decision", None)} for each in self.results]
        return data_frame(rows, columns)

    def _result(self, image: int | str | Path) -> Prediction | Unread:
        """The result of one image, by place or path."""
        if isinstance(image, int):
            if not -len(self) <= image < len(self):
                raise InputError(f"There is no image {image}.", hint=f"There are {len(self):,}, from 0.")
            return self.results[image]
        if not isinstance(image, str | Path):
            raise InputError(
                f"An image is asked for by its place or path, not by {type(image).__name__}.",
                hint='Write why(0) or why("a.jpg").',
            )
        found = next((each for each in self.results if each.image == str(image)), None)
        if found is None:
            where = Path(image).absolute()
            found = next((each for each in self.results if Path(each.image).absolute() == where), None)
        if found is None:
            raise InputError(
                f"{str(image)!r} is not among the images.", hint="Give a path as in `image`, or its place."
            )
        return found


def _branch_in_words(p: Prediction) -> list[str]:
    """The branch of an open image; nothing where it has none."""
    if p.coarse_label is None:
        return []
    return [f"  Its classes lie within one group: {p.coarse_label} ({p.coarse_probability:.0%})."]


def _shown_in_words(p: Prediction) -> list[str]:
    """What a vision-language model made of an image; nothing where it was not shown."""
    if p.vlm_failure:
        return [f"  The vision-language model did not decide it ({p.vlm_failure})."]
    if p.vlm_confidence is None:
        return []
    chose = p.vlm_label or "none of the candidates"
    return [f"  The vision-language model chose {chose} ({p.vlm_confidence:.0%} sure): {p.vlm_rationale}"]
