"""Small concepts for the studio to show, made of records and drawn pictures, without any model."""

from pathlib import Path

from fieldmark.app.concepts.named import concept_home
from fieldmark.app.concepts.tools import ConceptSetup
from fieldmark.records import Clause, Concept, Decision, Definition, Label, Version
from fieldmark.tools.concepts.folder import SETUP, ConceptFolder, slug_of
from fieldmark.tools.images.files import find_images
from tests.unit.studio.studio_runs import pictures_in

NAME = "<i>striped</i> birds"
AT = "2026-01-02T03:04:05+00:00"
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
