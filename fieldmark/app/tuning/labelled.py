"""Finds the labelled images of a run or a concept to tune a model on, with reasons where there are some."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.app.concepts.named import open_folder
from fieldmark.app.review.review import NONE
from fieldmark.errors import InputError, RunError
from fieldmark.records import Prediction, PromptBook
from fieldmark.tools.concepts.built import MODELS, read_judged
from fieldmark.tools.concepts.changes import blind_labels, dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_given
from fieldmark.tools.tuning.layouts import TuningExample, TuningTask, task_of_classes, task_of_concept


@dataclass(frozen=True)
class TuningSource:
    """What there is to tune on.

    Attributes:
        source: The run, or the concept and its version.
        task: What is asked.
        examples: Each image once.
        left_out: Why images with a label were left out → how many.
    """

    source: dict[str, str]
    task: TuningTask
    examples: tuple[TuningExample, ...]
    left_out: Counter[str] = field(default_factory=Counter[str])


def labelled_images(
    source: Path | str, *, runs: Path | str, resolved: bool, home: Path | None
) -> TuningSource:
    """The labelled images of a run, or of a concept where there is no such run.

    Raises:
        InputError: There is neither.
        RunError: The run is not finished, or damaged.
    """
    try:
        run = RunFolder.open(runs, source, kind="classify")
    except RunError as no_run:
        try:
            folder = open_folder(str(source), home=home)
        except InputError as no_concept:
            raise InputError(
                f"{no_run.message} {no_concept.message}", hint=f"{no_run.hint} {no_concept.hint}".strip()
            ) from None
        return _of_concept(folder)
    return _of_run(run, resolved=resolved)


def _of_run(run: RunFolder, *, resolved: bool) -> TuningSource:
    """What people said of a run's images, and what it resolved where that is wanted."""
    kept = run.config.options.get("classes")
    classes = tuple(map(str, kept)) if isinstance(kept, list) else ()
    said = {each.image_hash: each for each in read_given(run, classes)}
    found: dict[str, TuningExample] = {}
    left: Counter[str] = Counter()
    for p in run.read_predictions():
        given = said.get(p.image_hash)
        if given is not None:
            answer = given.label or (NONE if given.answer == NONE else None)
        else:
            answer = (p.decision or NONE) if p.decided_by == "label" else None
        if answer is not None:
            found[p.image_hash] = _example(p, answer, run)
        elif given is not None:
            left["nobody can tell what they show"] += 1
        elif resolved and p.status == "resolved" and p.decision is not None:
            found[p.image_hash] = _example(p, p.decision, run, by_run=True)
    if any(example.answer == NONE for example in found.values()):
        classes += (NONE,)
    task = task_of_classes(classes, noun=_noun(run))
    return TuningSource({"run": run.run_id}, task, tuple(found.values()), left)


def _noun(run: RunFolder) -> str:
    """What the images show, such as "bird", as far as the run knows."""
    if (run.path / "book.json").is_file():
        return run.read("book.json", PromptBook).noun
    options = run.config.options.get("options")
    return str(options.get("noun", "object")) if isinstance(options, dict) else "object"


def _example(p: Prediction, answer: str, run: RunFolder, *, by_run: bool = False) -> TuningExample:
    small = run.path / COPIES / f"{p.image_hash}.png"
    file = Path(str(run.config.options.get("folder", ".")), p.image)
    image = ImageFile(small, "") if small.is_file() else ImageFile(file, p.image_hash)
    rationale = p.vlm_rationale if p.vlm_label == answer else ""
    if not by_run:
        return TuningExample(image, p.image_hash, answer, rationale=rationale)
    sure = p.vlm_confidence if p.decided_by == "vlm" and p.vlm_confidence is not None else p.confidence
    return TuningExample(image, p.image_hash, answer, "run", sure, rationale)


def _of_concept(folder: ConceptFolder) -> TuningSource:
    """The owner's labels outside of the blind test, with the annotator's reason where it agrees."""
    concept = folder.load()
    blind = {*concept.blind, *blind_labels(concept)}
    files = {content_hash: path for path, content_hash in folder.pool_rows()}
    judged = read_judged(folder.path / MODELS / f"v{concept.current}") or {}
    found: list[TuningExample] = []
    left: Counter[str] = Counter()
    for image, label in dev_labels(concept).items():
        if image in blind:
            left["they are in the blind test"] += 1
        elif label.value == "unsure":
            left["you are unsure of them"] += 1
        elif image not in files:
            left["they are in the pool no more"] += 1
        else:
            verdict = judged.get(image)
            agreed = verdict if verdict and verdict.call == label.value else None
            why = (agreed.rationale or agreed.seen) if agreed else ""
            found.append(
                TuningExample(ImageFile(Path(files[image]), image), image, label.value, rationale=why)
            )
    source = {"concept": concept.name, "version": str(concept.current)}
    return TuningSource(source, task_of_concept(concept), tuple(found), left)
