"""Shows how far a run is: a bar on a terminal, a few plain lines elsewhere; both on stderr."""

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fieldmark.cli.terminal import PlainConsole, amount, errors

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

RUNGS = {
    "names": "a photo of a {name}",
    "templates": "seven templates with the name",
    "descriptors": "marks asked class by class (D-CLIP)",
    "descriptors_more": "the same, with as many questions as the loop",
    "fudd": "FuDD: all pairs of the ten best",
    "everything": "all that FuDD learnt, for all classes at once",
    "resolve": "the resolve loop",
}
"""What each rung of the ladder is, in words."""


class TerminalProgress:
    """Takes a run's events, as its `report`.

    Attributes:
        run: The run's folder, once it has one.
        failures: Questions without a usable answer so far, by reason.
        classes: How many classes there are, where known: the number of first questions.

    Args:
        start: What is said first.
    """

    def __init__(self, start: str) -> None:
        self.run: Path | None = None
        self.failures: Counter[str] = Counter()
        self._console: PlainConsole = errors()
        self._start = start
        self.classes: int | None = None
        self._rung = ""
        self._stage = ""
        self._done = 0
        self._of: int | None = None
        self._since = 0.0
        self._bar: Bar | None = None
        self._task: Any = None

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

    def __call__(self, event: str, fields: Mapping[str, object]) -> None:
        """Take one event; an unknown one is passed over."""
        show = getattr(self, f"_on_{event}", None)
        if show is not None:
            show(dict(fields))

    def stage(self, words: str, *, of: int | None = None, line: bool = True) -> None:
        """Begin a stage.

        Args:
            words: What is being done.
            of: How many steps it takes, where known.
            line: Whether it is worth a line where there is no terminal.
        """
        if words != self._stage:
            self._stage, self._done = words, 0
            if line and self._bar is None:
                self._console.say(f"{words} …")
        self._of = of
        self._draw()

    def line(self, words: str) -> None:
        """Say something that stays on the screen."""
        self._console.say(words)

    def _draw(self) -> None:
        if self._bar is None:
            return
        count = f": {self._done:,}" + (f" of {self._of:,}" if self._of else "") if self._done else ""
        # Another total starts the bar anew; None lets it pulse.
        self._bar.update(self._task, description=f"{self._stage}{count}", completed=self._done)
        self._bar.tasks[0].total = self._of

    @property
    def _loud(self) -> bool:
        """Whether rounds are worth a line: of all rungs of a ladder only the loop itself."""
        return self._rung in ("", "resolve")

    def _step(self, words: str, of: int | None) -> None:
        self.stage(words, of=of, line=self._loud)
        self._done += 1
        self._draw()

    def _on_run(self, fields: dict[str, Any]) -> None:
        self.run = Path(str(fields["path"]))
        self.line(f"Run: {self.run}")
        self.stage("Asking", line=False)

    def _on_world(self, fields: dict[str, Any]) -> None:
        if fields["of"] > 1:
            self.line(f"World {fields['number']} of {fields['of']} (seed {fields['seed']})")

    def _on_rendering(self, fields: dict[str, Any]) -> None:
        self.stage("Drawing pictures", of=fields["of"])
        self._done = fields["done"]
        self._draw()

    def _on_rung(self, fields: dict[str, Any]) -> None:
        self._rung = str(fields["name"])
        self.stage(f"Rung: {RUNGS.get(self._rung, self._rung)}")

    def _on_robustness(self, fields: dict[str, Any]) -> None:
        self._rung = "robustness"
        self.stage("Checking a smaller pool, and one image at a time")

    def _on_encoding(self, fields: dict[str, Any]) -> None:
        images, texts = amount(fields["images"], "image"), amount(fields["texts"], "text")
        self.stage(f"Encoding {images} and {texts}", line=self._loud)

    def _on_encoded(self, fields: dict[str, Any]) -> None:
        self._done, self._of = fields["done"], fields["of"]
        self._draw()

    def _on_answered(self, fields: dict[str, Any]) -> None:
        describing = fields["kind"] in ("describe", "synonyms", "domain_words")
        self._step(
            "Asking for the marks of each class" if describing else "Asking about rivals",
            of=self.classes if describing else self._of,
        )

    def _on_failed(self, fields: dict[str, Any]) -> None:
        self.failures[str(fields["code"])] += 1
        self._on_answered(fields)

    def _on_looking(self, fields: dict[str, Any]) -> None:
        self.stage(f"Showing {amount(fields['images'], 'open image')}", of=fields["images"])

    def _on_looked(self, fields: dict[str, Any]) -> None:
        self._done, self._of = fields["done"], fields["of"]
        self._draw()

    def _on_looking_stopped(self, fields: dict[str, Any]) -> None:
        self.line(f"warning: the vision-language model cannot be asked any more. {fields['reason']}")

    def _on_noun(self, fields: dict[str, Any]) -> None:
        self.line(
            f'warning: which noun fits all classes could not be asked; "object" it is. {fields["failed"]}'
        )

    def _on_generation(self, fields: dict[str, Any]) -> None:
        stages = {"templates": "Searching templates", "sampling": "Choosing a start", "classes": "Searching"}
        words = stages.get(str(fields["stage"]), "Searching")
        now = time.perf_counter()
        rate = fields["scored"] / max(1e-9, now - self._since) if self._since else 0.0
        self._since = now
        self.stage(words, line=words != self._stage.split(",")[0])
        if self._bar is not None:
            told = (
                f"{words}: generation {fields['number']:,}, best fitness {fields['fitness']:.2f}, "
                f"{fields['candidates']:,} candidates ({rate:,.0f}/s), {fields['texts']:,} texts encoded"
            )
            self._bar.update(self._task, description=told)
        elif fields["number"] % 25 == 0:
            self.line(
                f"Generation {fields['number']:,}: best fitness {fields['fitness']:.2f}, "
                f"{fields['candidates']:,} candidates, {fields['texts']:,} texts encoded"
            )

    def _on_fold(self, fields: dict[str, Any]) -> None:
        self.stage(f"Fold {fields['number']} of {fields['of']}", of=fields["searches"])
        self._done = fields["search"] - 1
        self._draw()

    def _on_reflected(self, fields: dict[str, Any]) -> None:
        self.stage(
            f"Reflected: {amount(fields['questions'], 'question')}, {amount(fields['units'], 'new unit')}"
        )

    def _on_planned(self, fields: dict[str, Any]) -> None:
        if fields["questions"]:
            # The stage stays the same from round to round; its count begins anew.
            self._stage, self._of = "", fields["questions"]
            self.stage("Asking about rivals", of=fields["questions"], line=False)

    def _on_triaged(self, fields: dict[str, Any]) -> None:
        if not self._loud:
            return
        when = f"Round {fields['round']}" if fields["round"] else "First look"
        rejected = f", {fields['rejected']:,} rejected" if fields["rejected"] else ""
        asked = f" (follow-up questions so far: {fields['questions']:,})" if fields["questions"] else ""
        self.line(f"{when}: {fields['resolved']:,} resolved, {fields['open']:,} open{rejected}{asked}")
        self.stage("Comparing", line=False)

    def _on_owner(self, fields: dict[str, Any]) -> None:
        self.line(f"Owner {fields['number']} of {fields['of']} done: {fields['name']}")

    def _on_setting(self, fields: dict[str, Any]) -> None:
        self.line(f"Setting: {fields['name']}")

    def _on_method(self, fields: dict[str, Any]) -> None:
        doing = {"taken_over": "Taking over", "left_out": "Leaving out"}.get(fields["doing"], "Measuring")
        self.stage(f"{doing} {fields['number']} of {fields['of']}: {fields['key']} ({fields['name']})")

    def _on_table(self, fields: dict[str, Any]) -> None:
        self.stage("Putting the table together")
