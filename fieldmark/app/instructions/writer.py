"""Writes labelling instructions for a labelled set, and has a fresh annotator label by them alone."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.evaluate.evaluator import Evaluator
from fieldmark.app.evaluate.inputs import OwnData
from fieldmark.app.event_loop import run_here
from fieldmark.app.instructions.pictures import write_document
from fieldmark.app.instructions.written import Reader, WrittenInstructions
from fieldmark.app.models import lacks_vlm
from fieldmark.app.stores import Stores
from fieldmark.errors import InputError, RunError
from fieldmark.evals.table.join import SettingRuns, setting_runs
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.records import EvalResult
from fieldmark.evals.table.rows import measured_of
from fieldmark.evals.table.run import RUNS
from fieldmark.evals.table.test_set import TestSet
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.labelling.document import LabellingDocument
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.statistics.intervals import paired_difference

WRITTEN = "written.json"
MOST_LABELS = 16
"""Labelled images of each class that instructions are written from, at most."""
MOST_SCORED = 200
"""Other labelled images that a fresh annotator labels."""
_WRITING = "instructions"
_READERS = {"vlm": "names", "document": "instructions", "document-shuffled": "shuffled"}
"""The methods of the table that read, by what they are shown."""


@checked_arguments
@dataclass(kw_only=True)
class InstructionWriter(Evaluator):
    """Writes labelling instructions for a labelled set: marks, look-alikes and pictures of each class.

    It is an evaluation with a document: its run goes on after a kill, and what it asks is kept for other
    runs. Up to sixteen labelled images of each class correct what a language model says of it; the others are
    held out. With `score` a vision-language model labels these by the class names alone, by the instructions
    alone, and by the instructions under the names of other classes, which is the control.

    Args:
        data: A folder with one folder a class, a list, or another set of one's own, see `read_test_set`.
        score: Whether a fresh annotator labels the held-out images.
        options: The seed; methods and shots are the writer's own affair.
    """

    score: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.data, OwnData):
            raise InputError(
                "Instructions are about one's own images.", hint="Name a folder or a list.", field="data"
            )
        if self.earlier is None:
            if self.score and not self.vlm:
                raise lacks_vlm()
            methods = (_WRITING, *_READERS) if self.score else (_WRITING,)
            chosen = EvalOptions(methods=methods, seeds=1, shots=MOST_LABELS)
            self.options = chosen.model_copy(update={"seed": self.options.seed})
        elif self.options.methods[0] != _WRITING:
            raise RunError(
                f"Run {self.earlier.run_id} wrote no instructions.", hint="Resume it as what it is."
            )
        else:
            self.score = len(self.options.methods) > 1

    def write(self) -> WrittenInstructions:
        """Write and score; see `awrite`. Not to be called from a running event loop."""
        return run_here(self.awrite(), "write")

    async def awrite(self) -> WrittenInstructions:
        """Write the instructions, or go on with it, and score them where that is wanted.

        Returns:
            What was written; the folder that `run` names holds it as `written.json`, beside the instructions.

        Raises:
            InputError: What was given cannot be used, no language model answers, or a class has too few
                images.
            EndpointError: A model cannot be asked; what was done is kept.
            LimitReached: A limit stopped the run; `from_run` goes on with it.
        """
        result = await self.arun()
        run = RunFolder(Path(result.run))
        (measured,) = setting_runs(run)
        document = document_of(run, measured, result)
        write_document(document, run)
        written = WrittenInstructions(
            data=result.data,
            classes=len(document.sections),
            labels=document.labels,
            marks=sum(len(section.marks) for section in document.sections),
            corrected=document.corrected,
            scored=len(measured.truth.labels) if self.score else 0,
            readers=tuple(readers_of(measured)),
            notes=tuple(dict.fromkeys((*_failures(result), *self._fewer(), *result.notes))),
            run=result.run,
        )
        run.write(WRITTEN, written)
        return written

    def _fewer(self) -> list[str]:
        shots = self.options.shots
        if shots == MOST_LABELS:
            return []
        return [f"Labelled images used of each class: {shots}, as one of the classes has hardly more."]

    def _own_test_set(self, own: OwnData, stores: Stores) -> TestSet:
        shots = MOST_LABELS
        while shots > 1:
            self.options = self.options.model_copy(update={"shots": shots})
            with suppress(InputError):  # as there are too few images; what else is wrong is told below
                test = super()._own_test_set(own, stores)
                if _enough(test, shots):
                    return _some(test)
            shots //= 2
        self.options = self.options.model_copy(update={"shots": 1})
        test = super()._own_test_set(own, stores)
        if not _enough(test, 1):
            raise InputError(
                f"{_poorest(test)} has fewer than two images that can be used.",
                hint="Each class needs one to write from and one to hold out: add some, or leave it out.",
                field="data",
            )
        return _some(test)


def _some(test: TestSet) -> TestSet:
    """The set with at most `MOST_SCORED` images to label, and whatever is said of these."""
    rows = some_of_each(test.images, MOST_SCORED)
    return replace(
        test,
        images=tuple(test.images[row] for row in rows),
        shown=tuple(test.shown[row] for row in rows) if test.shown else (),
        groups=tuple(test.groups[row] for row in rows) if test.groups else (),
    )


def some_of_each(images: tuple[ImageFile, ...], most: int) -> list[int]:
    """Rows of at most so many images, one of each class after the other, in their order."""
    place: Counter[str | None] = Counter()
    turn: defaultdict[int, list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        turn[place[image.label]].append(row)
        place[image.label] += 1
    chosen = [row for number in sorted(turn) for row in turn[number]][:most]
    return sorted(chosen)


def document_of(run: RunFolder, measured: SettingRuns, result: EvalResult) -> LabellingDocument:
    """The instructions that a run wrote.

    Raises:
        InputError: It wrote none.
    """
    own = [each for each in measured.runs if each.method == _WRITING]
    inside = run.path / RUNS / measured.truth.setting / "work"
    found = [
        folder
        for each in own
        if each.outcome == "done"
        for folder in inside.glob(f"{_WRITING}-{each.seed}-{each.identity[:12]}")
        if (folder / LabellingDocument.FILE).is_file()
    ]
    if not found:
        raise InputError(
            f"No instructions were written: {own[0].reason if own else 'nothing was asked'}.",
            hint="They take a language model, and at least two labelled images of each class.",
            field="llm",
        )
    return RunFolder(found[0]).read(LabellingDocument.FILE, LabellingDocument)


def readers_of(measured: SettingRuns) -> Iterator[Reader]:
    """How well each reader labelled; nobody where nothing was scored."""
    labels = np.array(measured.truth.labels, dtype=np.int64)
    names = measured_of("vlm", measured.runs, labels).right
    for method, shown in _READERS.items():
        right = measured_of(method, measured.runs, labels).right
        if not len(right) or not len(names):
            continue
        share = paired_difference(right, np.zeros(len(right)), labels)
        ahead = paired_difference(right, names, labels)
        yield Reader(
            shown=shown,  # pyright: ignore[reportArgumentType]
            right=share.value,
            ci95=share.ci95,
            ahead=ahead.value,
            ahead_ci95=ahead.ci95,
        )


def _failures(result: EvalResult) -> list[str]:
    return [f"{each.title}: {each.reason}" for each in result.rows if each.outcome == "failed"]


def _enough(test: TestSet, shots: int) -> bool:
    """Whether every class has so many labelled images, and one to hold out."""
    trained = Counter(image.label for image in test.train)
    tested = {image.label for image in test.images}
    return all(trained[name] >= shots and name in tested for name in test.classes)


def _poorest(test: TestSet) -> str:
    """The class with the fewest images."""
    there = Counter(image.label for image in (*test.train, *test.images))
    return min(test.classes, key=lambda name: there[name])
