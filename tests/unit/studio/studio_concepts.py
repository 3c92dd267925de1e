"""Small concepts for the studio to show, made of records and drawn pictures, without any model."""

from pathlib import Path

from fieldmark.app.concepts.named import concept_home
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.records import Clause, Concept, Decision, Definition, Label, Version
from fieldmark.records.building import (
    BuildResult,
    CalibrationImage,
    CalibrationImages,
    Judge,
    Measurement,
    Score,
)
from fieldmark.tools.concepts.built import MODELS
from fieldmark.tools.concepts.folder import SETUP, ConceptFolder, slug_of
from fieldmark.tools.images.files import find_images
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.studio.studio_runs import pictures_in

NAME = "<i>striped</i> birds"
AT = "2026-01-02T03:04:05+00:00"
LATER = "2026-02-03T04:05:06+00:00"
CLAUSES = (
    Clause(id="c1", role="necessary", text="It has <b>stripes</b>.", state="agreed"),
    Clause(id="c2", role="negative", text="It is a drawing.", state="agreed"),
)


def made_concept(place: Path, *, name: str = NAME, count: int = 8) -> ConceptFolder:
    """A concept of two versions with labels, and a blind test of its last two pictures."""
    pictures_in(place / "pool", count)
    images = find_images([place / "pool"]).images
    folder = ConceptFolder(concept_home(place / "home") / slug_of(name))
    folder.save_pool(images)
    folder.write(SETUP, ConceptSetup(clip="aviary", vlm="none"))
    hashes = [image.content_hash for image in images]
    labels = [
        Label(image=image, value="in" if at % 2 else "out", split="dev", reason="so <it> is", at=AT)
        for at, image in enumerate(hashes[: count - 2])
    ]
    labels += [Label(image=image, value="in", split="blind", at=AT) for image in hashes[count - 2 :]]
    folder.save(
        Concept(
            name=name,
            purpose="Birds with <u>stripes</u>.",
            versions=(
                Version(number=1, definition=Definition(clauses=CLAUSES[:1]), why="drafted", at=AT),
                Version(number=2, definition=Definition(clauses=CLAUSES), why="an answer", at=AT),
            ),
            current=2,
            decisions=(
                Decision(kind="scope", question="Do <drawings> count?", answer="no, never", at=AT),
                Decision(kind="board", question="Board 1", answer="3 in", images=tuple(hashes[:3]), at=AT),
            ),
            labels=tuple(labels),
            blind=dict.fromkeys(hashes[count - 2 :], 1.0),
            blind_drawn=True,
        )
    )
    return folder


def made_build(folder: ConceptFolder, *, version: int = 1, measured: bool = True) -> Path:
    """What a build and a measurement leave, made of records; the head gives no answers."""
    concept = folder.load()
    out = folder.path / MODELS / f"v{version}"
    out.mkdir(parents=True)
    hashes = [image.content_hash for image in folder.load_pool()]
    built = BuildResult(
        concept=concept.name,
        version=version,
        at=LATER,
        kind="linear",
        threshold=0.5,
        contenders=(),
        annotated=6,
        unjudged=1,
        owner_labels=6,
        active=0,
        debated=0,
        overturned=0,
        calls=0,
        notes=("Its training images were judged by `<b>CLIP</b>`.",),
    )
    write = RunFolder(out).write
    write("build.json", built)
    free = [image for image in hashes if image not in concept.blind]
    write(
        "calibration.json",
        CalibrationImages(
            images=tuple(
                CalibrationImage(image=image, inside=at % 2 == 1, p=(at + 1) / 10, by_owner=at < 4)
                for at, image in enumerate(free)
            )
        ),
    )
    if measured:
        judge = Judge(
            name="classifier",
            f1=Score(value=0.8, ci95=(0.6, 0.9)),
            auprc=Score(value=0.7),
            recall_at_precision_90=Score(value=None),
            kappa=Score(value=0.5),
            judged=2,
        )
        blind = sorted(concept.blind)
        write(
            "measurement.json",
            Measurement(
                concept=concept.name,
                version=version,
                at=LATER,
                images=2,
                positives=2,
                judges=(judge,),
                self_kappa=Score(value=None),
                calls={blind[0]: True, blind[1]: False},
            ),
        )
        folder.save(folder.load().model_copy(update={"blind_looks": (version,)}))
    return out
