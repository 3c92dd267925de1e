"""Shows what a conversation or a build is doing while nobody is asked; keeps quiet while somebody types."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.spending import spent
from fieldmark.cli.terminal import amount, one_line

if TYPE_CHECKING:
    from fieldmark.tools.runs import concept_events, events

FITTING: Mapping[str, str] = {
    "unsure": "Fitting heads, to see where they are unsure",
    "disputed": "Fitting heads, to find what to argue about",
    "final": "Fitting the heads that compete",
}


class Telling(TerminalProgress):
    """Takes the events of a conversation or a build, as its `progress`."""

    def __init__(self, start: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        from fieldmark.tools.runs import concept_events, events  # not at the top: `--help` needs no pydantic

        super().__init__(start, clock=clock)
        self._handlers |= {
            concept_events.PoolImagesMissing: self._on_gone,
            concept_events.ClausesDrafted: self._on_drafted,
            concept_events.ImagesMined: self._on_mined,
            concept_events.ImagesJudged: self._on_judging,
            concept_events.VerdictsDoubted: self._on_doubting,
            concept_events.SampleGrown: self._on_active,
            concept_events.HeadsFitted: self._on_fitted,
            concept_events.ClassifierWriting: self._on_writing,
            concept_events.DebatesStarted: self._on_debating,
            concept_events.ImagesDebated: self._on_debated,
            concept_events.EditsProposed: self._on_refined,
            concept_events.LimitStopped: self._on_limit,
            concept_events.BoardFinished: self._on_standing,
            events.ModelsClosed: self._on_closed,
        }

    def pause(self) -> None:
        """Take the bar away while somebody types."""
        self.stop()

    def go_on(self) -> None:
        """Bring it back."""
        self.stage("Thinking", line=False)
        if self._bar is not None:
            self._bar.start()

    def _count(self, words: str, event: "events.Step") -> None:
        self.stage(words, of=event.of, line=False)
        self._done = event.done
        self._draw()

    def _on_failed(self, event: "events.StepFailed") -> None:
        self.failures[event.reason] += 1

    def _on_gone(self, event: "concept_events.PoolImagesMissing") -> None:
        self.line(
            f"warning: {event.gone:,} of the pool's {event.of:,} images are not there any more, such "
            f"as {one_line(event.first)}; they are passed over."
        )

    def _on_drafted(self, event: "concept_events.ClausesDrafted") -> None:
        if event.by_name:
            self.line("warning: no language model drafted clauses; the concept's name is the only one.")
        self.stage("Drafting", line=False)

    def _on_mined(self, event: "concept_events.ImagesMined") -> None:
        self.stage("Looking for images", line=False)

    def _on_judging(self, event: "concept_events.ImagesJudged") -> None:
        self._count("Judging images", event)

    def _on_doubting(self, event: "concept_events.VerdictsDoubted") -> None:
        self._count("Looking for what is unclear", event)

    def _on_active(self, event: "concept_events.SampleGrown") -> None:
        self.line(f"Round {event.round}: {amount(event.images, 'image')} more, where it is unsure.")

    def _on_fitted(self, event: "concept_events.HeadsFitted") -> None:
        self.stage(FITTING[event.purpose], of=event.of)
        self._on_step(event)

    def _on_writing(self, event: "concept_events.ClassifierWriting") -> None:
        self.stage("Writing the classifier")

    def _on_debating(self, event: "concept_events.DebatesStarted") -> None:
        if event.images:
            self.line(f"Annotator and classifier disagree most on {amount(event.images, 'image')}.")

    def _on_debated(self, event: "concept_events.ImagesDebated") -> None:
        self._count("Arguing", event)

    def _on_refined(self, event: "concept_events.EditsProposed") -> None:
        self.stage("Trying edits", line=False)

    def _on_closed(self, event: "events.ModelsClosed") -> None:
        self.line(spent(event.usage, self.failures))

    def _on_limit(self, event: "concept_events.LimitStopped") -> None:
        self.line(f"warning: {event.reason}")

    def _on_standing(self, event: "concept_events.BoardFinished") -> None:
        at = event.progress
        quiet = f"{amount(at.quiet, 'board')} in a row without an accepted edit"
        f1 = "" if at.f1 is None else f"; F1 on your labels {at.f1:.2f}"
        self.line(f"After board {at.boards}: {amount(at.labels, 'label')}, {quiet}{f1}.")
