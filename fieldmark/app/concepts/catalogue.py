"""The concepts on this machine: lists them, renames one, deletes one."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from fieldmark.agents.define.progress import read_progress
from fieldmark.app.concepts.named import concept_home, open_folder
from fieldmark.cache.folders import remove_folder
from fieldmark.errors import InputError, RunError
from fieldmark.records import Concept, Decision, Record
from fieldmark.records.conversation import DefineStop
from fieldmark.tools.concepts.built import MODELS, PICTURES, read_built, read_measurement
from fieldmark.tools.concepts.changes import blind_labels, dev_labels, now, with_decision
from fieldmark.tools.concepts.folder import ConceptFolder, concept_folders, slug_of
from fieldmark.tools.images.files import ImageFile

NextStep = Literal["restore", "begin", "talk", "test", "build", "measure", "use"]


class ConceptSummary(Record):
    """One concept at a glance.

    A record that cannot be read has its folder's name and `damage`; its numbers are 0.
    """

    name: str
    folder: str
    version: int = 0
    """The version in force; 0 before there is one."""
    versions: int = 0
    clauses: int = 0
    images: int = 0
    labels: int = 0
    """Labelled images outside of the blind test."""
    blind: int = 0
    blind_labels: int = 0
    decisions: int = 0
    stop_reason: DefineStop | None = None
    """Why its conversation ended; None while it goes on."""
    built: tuple[int, ...] = ()
    """Versions with a classifier."""
    measured: tuple[int, ...] = ()
    """Versions that were measured on the blind test."""
    pictures: int = 0
    """Images that lie in the concept's own folder alone, as they were given in memory."""
    changed: str = ""
    """When something was said last, ISO 8601, UTC; empty where nothing was."""
    damage: str = ""

    @property
    def folder_name(self) -> str:
        """The name of its folder, by which pages know it."""
        return Path(self.folder).name

    @property
    def next_step(self) -> NextStep:
        """What its owner does best next."""
        if self.damage:
            return "restore"
        if not self.versions:
            return "begin"
        if self.stop_reason is None:
            return "talk"
        if self.blind_labels < self.blind:
            return "test"
        if self.version not in self.built:
            return "build"
        return "use" if self.version in self.measured or not self.blind else "measure"

    @property
    def holds(self) -> tuple[str, ...]:
        """What would be lost with it, in words."""
        counts = (
            (self.labels, "label"),
            (self.blind_labels, "blind label"),
            (self.decisions, "decision"),
            (self.versions, "version"),
            (len(self.built), "classifier"),
            (len(self.measured), "measurement"),
            (self.pictures, "picture that lies nowhere else"),
        )
        return tuple(f"{count:,} {what if count == 1 else _plural(what)}" for count, what in counts if count)


def list_concepts(*, home: Path | None = None) -> tuple[ConceptSummary, ...]:
    """All concepts, by name; a damaged one is listed with what is wrong."""
    found = [summary_of(folder) for folder in concept_folders(concept_home(home))]
    return tuple(sorted(found, key=lambda each: each.name.casefold()))


def summary_of(folder: ConceptFolder) -> ConceptSummary:
    """What a folder holds, at a glance; no model is loaded."""
    own = folder.path / PICTURES
    pictures = sum(path.is_file() for path in own.iterdir()) if own.is_dir() else 0
    try:
        concept, images = folder.load(), len(folder.pool_rows())
    except InputError as error:
        return ConceptSummary(
            name=folder.path.name, folder=str(folder.path), pictures=pictures, damage=error.message
        )
    progress = read_progress(folder.path)
    return ConceptSummary(
        name=concept.name,
        folder=str(folder.path),
        version=concept.current,
        versions=len(concept.versions),
        clauses=len(concept.definition.active),
        images=images,
        labels=len(dev_labels(concept)),
        blind=len(concept.blind),
        blind_labels=len(blind_labels(concept)),
        decisions=len(concept.decisions),
        stop_reason=progress.stop_reason if progress else None,
        built=_versions_with(folder, concept, read_built),
        measured=_versions_with(folder, concept, read_measurement),
        pictures=pictures,
        changed=_last_change(concept),
    )


def rename_concept(name: str, to: str, *, home: Path | None = None) -> tuple[ConceptSummary, tuple[str, ...]]:
    """Give a concept another name; all that was said stays, and the old name is noted.

    Returns:
        The concept, and what still has the old name, in sentences.

    Raises:
        InputError: There is no such concept, the new name is blank, or another concept has it.
        RunError: Another process works on the concept, or its folder cannot be moved.
    """
    folder = open_folder(name, home=home)
    target = concept_home(home) / slug_of(to)
    if target != folder.path and target.exists():
        raise InputError(f"There is a concept {to.strip()!r} already.", hint="Choose another name.")
    with folder.writing():
        old = folder.load().name
        if old == to.strip():
            return summary_of(folder), ()
        images = folder.load_pool()
        before = folder.path
        if target != before:
            try:
                before.rename(target)
            except OSError as error:
                raise RunError(
                    f"{before} cannot be moved: {error.strerror}.", hint="Check the disk."
                ) from error
        moved = ConceptFolder(target)
        found = [_moved(image, target / PICTURES) for image in images]
        if found != list(images):
            moved.save_pool(found)
        said = Decision(
            kind="rename", question="What is it called?", answer=f"{old} → {to.strip()}", at=now()
        )
        moved.save(with_decision(moved.load().model_copy(update={"name": to.strip()}), said))
        summary = summary_of(moved)
    return summary, _with_the_old_name(summary, old)


def delete_concept(name: str, *, home: Path | None = None) -> ConceptSummary:
    """Delete a concept for good: its folder with everything in it, but none of the pool's own files.

    Returns:
        What was lost.

    Raises:
        InputError: There is no such concept.
        RunError: Another process works on the concept, or its folder cannot be removed.
    """
    folder = open_folder(name, home=home)
    with folder.writing():
        lost = summary_of(folder)
        clear = remove_folder(folder.path)
    clear()
    return lost


def _plural(what: str) -> str:
    return (
        what.replace("picture that lies", "pictures that lie")
        if " " in what and "picture" in what
        else f"{what}s"
    )


def _moved(image: ImageFile, own: Path) -> ImageFile:
    """An image where it lies now, if it moved along with the concept's own pictures."""
    here = own / image.path.name
    gone = image.path.parent.name == own.name and not image.path.is_file()
    return ImageFile(here, image.content_hash) if gone and here.is_file() else image


def _with_the_old_name(summary: ConceptSummary, old: str) -> tuple[str, ...]:
    told = (
        [f"Its blind test was drawn by the old name, {old!r}, and stays as it is."] if summary.blind else []
    )
    if summary.versions:
        told.append("Clauses that were drafted from the old name stay as they are.")
    if summary.built:
        numbers = ", ".join(map(str, summary.built))
        told.append(f"Classifiers that were built (version {numbers}) have the old name in their files.")
    return tuple(told)


def _versions_with(
    folder: ConceptFolder, concept: Concept, read: Callable[[Path], object]
) -> tuple[int, ...]:
    """Versions of which something was written; what is damaged counts as there."""
    found: list[int] = []
    for version in concept.versions:
        try:
            there = read(folder.path / MODELS / f"v{version.number}") is not None
        except RunError:
            there = True
        if there:
            found.append(version.number)
    return tuple(found)


def _last_change(concept: Concept) -> str:
    said = [*concept.labels, *concept.decisions, *concept.versions]
    return max((each.at for each in said), default="")
