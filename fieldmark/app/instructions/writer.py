"""Writes labelling instructions for a labelled set, and has a fresh annotator label by them alone."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
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
    runs. All labelled images of a class, up to sixteen, correct what a language model says of it; of the
    others as many of each class are held out. With `score` a vision-language model labels these by the class
    names alone, by the instructions alone, and by the instructions under the names of other classes, which is
    the control; half of a class's images are then kept for that, where there are few.

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
            notes=tuple(dict.fromkeys((*_failures(result), *result.notes))),
            run=result.run,
        )
        run.write(WRITTEN, written)
        return written

    def _own_test_set(self, own: OwnData, stores: Stores) -> TestSet:
        """All labelled images of each class, up to `MOST_LABELS`, and as many of each class held out."""
        whole = self._read(own, stores, shots=0)
        split = None
        with suppress(InputError):  # as every image was drawn: then the data have no split of their own
            split = self._read(own, stores, shots=MOST_LABELS)
        if split is not None and {i.content_hash for i in whole.images} <= {
            i.content_hash for i in split.images
        }:
            return _equal(split, split.train, list(range(len(split.images))))
        rows: defaultdict[str | None, list[int]] = defaultdict(list)
        for row in np.random.default_rng(self.options.seed).permutation(len(whole.images)).tolist():
            rows[whole.images[row].label].append(row)
        train: list[ImageFile] = []
        held: list[int] = []
        for name in whole.classes:
            own_rows = rows[name]
            out = min(len(own_rows) // 2, max(1, MOST_SCORED // len(whole.classes))) if self.score else 1
            kept = min(MOST_LABELS, len(own_rows) - out)
            train += [whole.images[row] for row in own_rows[:kept]]
            held += own_rows[kept:]
        return _equal(whole, tuple(train), sorted(held))

    def _read(self, own: OwnData, stores: Stores, *, shots: int) -> TestSet:
        self.options = self.options.model_copy(update={"shots": shots})
        return super()._own_test_set(own, stores)


def _equal(test: TestSet, train: tuple[ImageFile, ...], rows: list[int]) -> TestSet:
    """The set with these labelled images, and of the others as many of each class, at most `MOST_SCORED`.

    Raises:
        InputError: A class has no image of one kind.
    """
    used = Counter(image.label for image in train)
    left = Counter(test.images[row].label for row in rows)
    for name in test.classes:
        if not used[name] or not left[name]:
            raise InputError(
                f"{name} has fewer than two images that can be used.",
                hint="Each class needs one to write from and one to hold out: add some, or leave it out.",
                field="data",
            )
    rows = some_of_each([test.images[row].label for row in rows], rows, min(left[n] for n in test.classes))
    least, most = min(used[n] for n in test.classes), max(used[n] for n in test.classes)
    fewer = (
        f"Labelled images used of a class: {least} to {most}."
        if least < most
        else (f"Labelled images used of each class: {least}.")
    )
    return replace(
        test,
        train=train,
        images=tuple(test.images[row] for row in rows),
        shown=tuple(test.shown[row] for row in rows) if test.shown else (),
        groups=tuple(test.groups[row] for row in rows) if test.groups else (),
        notes=(*test.notes, fewer) if least < MOST_LABELS else test.notes,
    )


def some_of_each(labels: Sequence[str | None], rows: Sequence[int], each: int) -> list[int]:
    """As many rows of each class, at most `MOST_SCORED`: one of each class after the other, in order."""
    place: Counter[str | None] = Counter()
    turn: defaultdict[int, list[int]] = defaultdict(list)
    for label, row in zip(labels, rows, strict=True):
        turn[place[label]].append(row)
        place[label] += 1
    whole = max(1, min(each, MOST_SCORED // len(place)))
    return sorted([row for number in range(whole) for row in turn[number]][:MOST_SCORED])


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
