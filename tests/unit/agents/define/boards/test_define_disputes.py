"""Images on which the annotator and a classifier of the owner's own labels disagree."""

from pathlib import Path

from fieldmark.agents.define.boards.layout import LEAST_LABELS, Mined, disputed, lay_out
from fieldmark.app.event_loop import run_to_end
from fieldmark.records import Clause, Concept, Definition, Label, LabelValue, Version
from tests.graph.define_world import CREST, RED, SMALL, TAIL, Scene, scene

DEFINITION = Definition(clauses=(Clause(id="c1", role="necessary", text=f"The bird has {RED}."),))


def meant(at: Scene, image: str) -> bool:
    """What the owner means, of which the definition says but a part: a green tail counts, a crest never."""
    file = at.context.files([image])[0]
    shows = at.owner.world.shows
    return (shows(file, RED) or shows(file, TAIL)) and not shows(file, CREST)


def labelled(at: Scene, count: int) -> Concept:
    """The concept with so many labels of the owner, every fifth image."""
    names = [image.content_hash for image in at.context.pool.images][::3][:count]
    values: list[LabelValue] = ["in" if meant(at, name) else "out" for name in names]
    labels = tuple(
        Label(image=n, value=v, split="dev", at=str(k))
        for k, (n, v) in enumerate(zip(names, values, strict=True))
    )
    version = Version(number=1, definition=DEFINITION, why="", at="t")
    return at.concept.model_copy(update={"versions": (version,), "current": 1, "labels": labels})


def free(at: Scene, concept: Concept) -> list[str]:
    return [at.context.pool.images[row].content_hash for row in at.context.free_rows(concept)]


def test_what_the_definition_never_mentions_is_found_by_what_the_owner_called_in(tmp_path: Path) -> None:
    at = scene(tmp_path)
    concept = labelled(at, 80)
    names = free(at, concept)
    verdicts = run_to_end(at.annotator.judge(at.context.files(names), DEFINITION))
    called = {verdict.image: verdict.call for verdict in verdicts}
    found = run_to_end(disputed(names, verdicts, concept, at.context, count=4))
    assert len(found) == 4
    assert [called[image] for image in found] == ["out", "in", "out", "in"]
    assert [meant(at, image) for image in found] == [True, False, True, False]
    assert set(found) <= set(names)


def test_too_few_labels_dispute_nothing(tmp_path: Path) -> None:
    at = scene(tmp_path)
    concept = labelled(at, 80)
    inside = [label for label in concept.labels if label.value == "in"][: LEAST_LABELS - 1]
    outside = [label for label in concept.labels if label.value == "out"]
    few = concept.model_copy(update={"labels": (*inside, *outside)})
    assert run_to_end(disputed(free(at, few), [], few, at.context, count=2)) == []
    assert run_to_end(disputed(free(at, concept), [], concept, at.context, count=0)) == []


def test_a_board_holds_what_is_disputed_beside_what_is_unclear_and_what_is_drawn(tmp_path: Path) -> None:
    at = scene(tmp_path, SMALL.model_copy(update={"disputed": 2, "drawn": 1}))
    concept = labelled(at, 80)
    at.context.folder.save(concept)
    names = free(at, concept)
    mined = Mined(images=tuple(names[:30]))
    board = run_to_end(lay_out(mined, concept, at.context, number=1, asked=[]))
    assert board is not None
    assert len(board.images) == len(set(board.images)) == 5
    verdicts = run_to_end(at.annotator.judge(at.context.files(mined.images), DEFINITION))
    odd = run_to_end(disputed(names, verdicts, concept, at.context, count=2))
    assert set(odd) <= set(board.images)
