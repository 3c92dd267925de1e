"""Shows how far a run is: a bar on a terminal, a few plain lines elsewhere; both on stderr."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fieldmark.cli.terminal import PlainConsole, amount, errors

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from fieldmark.tools.runs import events

RUNGS = {
    "names": "a photo of a {name}",
    "templates": "seven templates with the name",
    "descriptors": "descriptors asked class by class (D-CLIP)",
    "descriptors_more": "the same, with as many questions as the loop",
    "fudd": "FuDD: all pairs of the ten best",
    "everything": "all that FuDD learnt, for all classes at once",
    "resolve": "the resolve loop",
}
"""What each rung of the ladder is, in words."""


EVERY_S = 10.0
"""Seconds between two lines with counts where there is no terminal."""
LEAST_LEFT_S = 10.0
"""What takes less than this is soon over: no time is named."""
LEAST_SEEN_S = 3.0
"""Seconds of a stage before its speed says anything."""


class TerminalProgress:
    """Takes a run's events, as its `progress`.

    Attributes:
        run: The run's folder, once it has one.
        failures: Questions without a usable answer so far, by reason.
        classes: How many classes there are, where known: the number of first questions.
    """

    def __init__(self, start: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        from fieldmark.tools.runs import events  # not at the top: `--help` needs no pydantic

        self.run: Path | None = None
        self.failures: Counter[str] = Counter()
        self._console: PlainConsole = errors()
        self._start = start
        self.classes: int | None = None
        self._rung = ""
        self._stage = ""
        self._done = 0
        self._of: int | None = None
        self._clock = clock
        self._said = clock()
        self._first: tuple[float, int] | None = None
        """When the stage's first step was done, and how many there were then: cached ones come at once."""
        self._since = 0.0
        self._bar: Bar | None = None
        self._task: Any = None
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.RunOpened: self._on_run,
            events.RunDropped: self._on_dropped,
            events.WorldStarted: self._on_world,
            events.PicturesDrawn: self._on_rendering,
            events.RungStarted: self._on_rung,
            events.RobustnessStarted: self._on_robustness,
            events.BytesFetched: self._on_fetched,
            events.ShardsEncoded: self._on_shards,
            events.EncodingStarted: self._on_encoding,
            events.ImagesEncoded: self._on_images,
            events.QuestionAnswered: self._on_answered,
            events.StepFailed: self._on_failed,
            events.LookingStarted: self._on_looking,
            events.OpenImagesSeen: self._on_step,
            events.WordsTried: self._on_words,
            events.LookingStopped: self._on_looking_stopped,
            events.NounNotFound: self._on_noun,
            events.GenerationScored: self._on_generation,
            events.FoldSearchStarted: self._on_fold,
            events.ReflectionFinished: self._on_reflected,
            events.BatchStatus: self._on_batch,
            events.BatchResults: self._on_results,
            events.RoundPlanned: self._on_planned,
            events.RoundSummary: self._on_triaged,
            events.OwnerFinished: self._on_owner,
            events.SettingStarted: self._on_setting,
            events.MethodStarted: self._on_method,
            events.TableStarted: self._on_table,
        }

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._start, total=None)
        self._stage = self._start
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away; stopping twice is fine."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: "events.Event") -> None:
        """Take one event; one without a handler is passed over."""
        show = self._handlers.get(type(event))
        if show is not None:
            show(event)

    def stage(self, words: str, *, of: int | None = None, line: bool = True) -> None:
        """Begin a stage.

        Args:
            words: What is being done.
            of: How many steps it takes, where known.
            line: Whether it is worth a line where there is no terminal.
        """
        self._of = of
        if words != self._stage:
            self._stage, self._done, self._first, self._said = words, 0, None, self._clock()
            if line and self._bar is None:
                self._console.say(f"{words} …")
            self._draw()

    def line(self, words: str) -> None:
        """Say something that stays on the screen."""
        self._console.say(words)

    def _draw(self) -> None:
        count = f": {self._done:,}" + (f" of {self._of:,}" if self._of else "") if self._done else ""
        count += f", {left}" if (left := self._left()) else ""
        if self._bar is None:
            if self._done:
                self._now_and_then(f"{self._stage}{count}")
            return
        # Another total starts the bar anew; None lets it pulse.
        self._bar.update(self._task, description=f"{self._stage}{count}", completed=self._done)
        self._bar.tasks[0].total = self._of

    def _now_and_then(self, words: str) -> None:
        """Say a line where there is no terminal, but not more often than every `EVERY_S` seconds."""
        if self._clock() - self._said >= EVERY_S:
            self._said = self._clock()
            self.line(words)

    def _left(self) -> str:
        """How long the stage still takes, in words; empty where that is short or not known."""
        if not self._done or not self._of:
            return ""
        now = self._clock()
        if self._first is None or self._done < self._first[1]:
            self._first = now, self._done
        began, at = self._first
        if now - began < LEAST_SEEN_S or self._done <= at:
            return ""
        seconds = (self._of - self._done) * (now - began) / (self._done - at)
        return f"about {in_time(seconds)} left" if seconds >= LEAST_LEFT_S else ""

    @property
    def _loud(self) -> bool:
        """Whether rounds are worth a line: of all rungs of a ladder only the loop itself."""
        return self._rung in ("", "resolve")

    def _step(self, words: str, of: int | None) -> None:
        self.stage(words, of=of, line=self._loud)
        self._done += 1
        self._draw()

    def _on_run(self, event: "events.RunOpened") -> None:
        self.run = event.path
        self.line(f"Run: {self.run}")
        if self._stage == self._start:
            self.stage("Asking", line=False)

    def _on_dropped(self, event: "events.RunDropped") -> None:
        self.run = None
        self.line("Nothing was done yet: the run's folder is gone again.")

    def _on_world(self, event: "events.WorldStarted") -> None:
        if event.of > 1:
            self.line(f"World {event.number} of {event.of} (seed {event.seed})")

    def _on_rendering(self, event: "events.PicturesDrawn") -> None:
        self.stage("Drawing pictures", of=event.of)
        self._done = event.done
        self._draw()

    def _on_rung(self, event: "events.RungStarted") -> None:
        self._rung = event.name
        self.stage(f"Rung: {RUNGS.get(self._rung, self._rung)}")

    def _on_robustness(self, event: "events.RobustnessStarted") -> None:
        self._rung = "robustness"
        self.stage("Checking a smaller pool, and one image at a time")

    def _on_encoding(self, event: "events.EncodingStarted") -> None:
        images, texts = amount(event.images, "image"), amount(event.texts, "text")
        self.stage(f"Encoding {images} and {texts}", line=self._loud)

    def _on_fetched(self, event: "events.BytesFetched") -> None:
        self.stage("Fetching bytes", of=event.of, line=False)
        self._on_step(event)

    def _on_shards(self, event: "events.ShardsEncoded") -> None:
        self.stage("Encoding shards", of=event.of, line=False)
        self._on_step(event)

    def _on_step(self, event: "events.Step") -> None:
        self._done, self._of = event.done, event.of
        self._draw()

    def _on_images(self, event: "events.ImagesEncoded") -> None:
        if self._stage in (self._start, "Asking"):  # no event has told what is encoded
            self.stage("Encoding images", of=event.of, line=False)
        self._on_step(event)

    def _on_words(self, event: "events.WordsTried") -> None:
        if event.of != self._of:
            self.stage("Searching for words: questions", of=event.of, line=False)
        self._on_step(event)

    def _on_answered(self, event: "events.QuestionAnswered") -> None:
        self._asked(event.kind)

    def _asked(self, kind: str) -> None:
        if kind == "name_group":
            self._step("Asking what groups are called", of=None)
            return
        describing = kind in ("describe", "synonyms", "domain_words")
        self._step(
            "Asking for the descriptors of each class" if describing else "Asking about rivals",
            of=self.classes if describing else self._of,
        )

    def _on_failed(self, event: "events.StepFailed") -> None:
        self.failures[event.code or event.reason] += 1
        self._asked(event.kind)

    def _on_looking(self, event: "events.LookingStarted") -> None:
        self.stage(f"Showing {amount(event.images, 'image')} to the model", of=event.images)

    def _on_looking_stopped(self, event: "events.LookingStopped") -> None:
        self.line(f"warning: the vision-language model cannot be asked any more. {event.reason}")

    def _on_noun(self, event: "events.NounNotFound") -> None:
        self.line(f'warning: which noun fits all classes could not be asked; "object" it is. {event.reason}')

    def _on_generation(self, event: "events.GenerationScored") -> None:
        stages = {"templates": "Searching templates", "sampling": "Choosing a start", "classes": "Searching"}
        words = stages.get(event.stage, "Searching")
        now = self._clock()
        rate = event.scored / max(1e-9, now - self._since) if self._since else 0.0
        self._since = now
        self.stage(words, line=words != self._stage.split(",")[0])
        said = (
            f"{words}: generation {event.number:,}, best fitness {event.fitness:.2f}, "
            f"{event.candidates:,} candidates ({rate:,.0f}/s), {event.texts:,} texts encoded"
        )
        if self._bar is not None:
            self._bar.update(self._task, description=said)
        else:
            self._now_and_then(said)

    def _on_fold(self, event: "events.FoldSearchStarted") -> None:
        self.stage(f"Fold {event.number} of {event.of}", of=event.searches)
        self._done = event.search - 1
        self._draw()

    def _on_reflected(self, event: "events.ReflectionFinished") -> None:
        self.stage(f"Reflected: {amount(event.questions, 'question')}, {amount(event.units, 'new unit')}")

    def _on_batch(self, event: "events.BatchStatus") -> None:
        self.stage(f"Batch {event.batch}: {event.status.replace('_', ' ')}", of=event.of)
        self._on_step(event)

    def _on_results(self, event: "events.BatchResults") -> None:
        bad = "".join(f"; {count:,} not usable ({reason})" for reason, count in event.bad.items())
        torn = f"; {amount(event.unreadable, 'line')} not readable" if event.unreadable else ""
        self.line(f"{amount(event.taken, 'answer')} taken{bad}{torn}.")

    def _on_planned(self, event: "events.RoundPlanned") -> None:
        if event.questions:
            # The stage stays the same from round to round; its count begins anew.
            self._stage, self._of = "", event.questions
            self.stage("Asking about rivals", of=event.questions, line=False)

    def _on_triaged(self, event: "events.RoundSummary") -> None:
        if not self._loud:
            return
        when = f"Round {event.round}" if event.round else "First look"
        rejected = f", {event.rejected:,} rejected" if event.rejected else ""
        asked = f" (follow-up questions so far: {event.questions:,})" if event.questions else ""
        self.line(f"{when}: {event.resolved:,} resolved, {event.open:,} open{rejected}{asked}")
        self.stage("Comparing", line=False)

    def _on_owner(self, event: "events.OwnerFinished") -> None:
        self.line(f"Owner {event.number} of {event.of} done: {event.name}")

    def _on_setting(self, event: "events.SettingStarted") -> None:
        self.line(f"Setting: {event.name}")

    def _on_method(self, event: "events.MethodStarted") -> None:
        doing = {"taken_over": "Taking over", "left_out": "Leaving out"}.get(event.doing, "Measuring")
        self.stage(f"{doing} {event.number} of {event.of}: {event.key} ({event.name})")

    def _on_table(self, event: "events.TableStarted") -> None:
        self.stage("Putting the table together")


def in_time(seconds: float) -> str:
    """A time in words: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
