"""What boards are made of: doubts that several images share, and images that come back."""

from pathlib import Path

from fieldmark.agents.define.boards.layout import (
    Doubt,
    Mined,
    changed_texts,
    doubtful,
    in_turns,
    mine,
    returning,
    shared_ambiguity,
    together,
    turned,
)
from fieldmark.agents.define.scope import images_for, revised, with_blind_test
from fieldmark.agents.define.scores import clause_verdicts
from fieldmark.agents.define.state import OpenScope
from fieldmark.app.event_loop import run_to_end
from fieldmark.records import Call, Clause, Concept, Decision, Definition, Label, Verdict, Version
from fieldmark.tools.concepts.changes import clause_ids
from fieldmark.tools.concepts.mining import NEAR_DUPLICATE
from fieldmark.tools.concepts.pool import ImagePool
from tests.graph.define_world import RED, TAIL, Scene, scene

DEFINITION = Definition(clauses=(Clause(id="c1", role="necessary", text=f"The bird has {RED}."),))


def with_definition(at: Scene, definition: Definition = DEFINITION) -> Concept:
    version = Version(number=1, definition=definition, why="", at="t")
    return at.concept.model_copy(update={"versions": (version,), "current": 1})


def verdict(image: str, p: float | None) -> Verdict:
    call = "abstain" if p is None else "in" if p >= 0.5 else "out"
    return Verdict.model_validate({"image": image, "call": call, "p": p, "annotator": "x"})


def test_the_largest_ambiguity_that_is_new_makes_the_board(tmp_path: Path) -> None:
    at = scene(tmp_path)
    concept = with_definition(at)
    images = [image.content_hash for image in at.context.pool.images[:12]]
    verdicts = [verdict(image, 0.6) for image in images]
    doubts = [Doubt(image, "birds with a blue crest", 1.0) for image in images[:4]]
    doubts += [Doubt(image, "birds with a green tail", 1.0) for image in images[4:7]]
    doubts += [Doubt(images[8], "birds with a white wing", 9.0)]
    board = shared_ambiguity(doubts, verdicts, concept, at.context, asked=[])
    assert board is not None
    assert board.ambiguity == "birds with a blue crest"
    assert set(images[:4]) <= set(board.images)
    assert len(board.images) == 5
    again = shared_ambiguity(doubts, verdicts, concept, at.context, asked=["a blue crest"])
    assert again is not None
    assert again.ambiguity == "birds with a green tail"
    both = ["birds with a blue crest", "birds with a green tail"]
    assert shared_ambiguity(doubts, verdicts, concept, at.context, asked=both) is None


def test_an_ambiguity_that_a_clause_speaks_of_counts_for_less(tmp_path: Path) -> None:
    at = scene(tmp_path)
    crest = Clause(id="c2", role="negative", text="birds with a blue crest")
    concept = with_definition(at, Definition(clauses=(*DEFINITION.clauses, crest)))
    images = [image.content_hash for image in at.context.pool.images[:12]]
    doubts = [Doubt(image, "birds with a blue crest", 1.0) for image in images[:4]]
    doubts += [Doubt(image, "birds with a green tail", 1.0) for image in images[4:7]]
    board = shared_ambiguity(doubts, [verdict(i, 0.6) for i in images], concept, at.context, asked=[])
    assert board is not None
    assert board.ambiguity == "birds with a green tail"


def test_images_of_both_calls_take_turns() -> None:
    called: dict[str, Call] = {"a": "in", "b": "in", "c": "in", "d": "out", "e": "abstain"}
    assert in_turns(["a", "b", "c", "d", "e"], called) == ["a", "d", "b", "e", "c"]
    assert in_turns(["d", "a"], called) == ["a", "d"]


def test_an_edit_is_put_to_the_test_on_images_that_it_turned(tmp_path: Path) -> None:
    at = scene(tmp_path)
    tail = Clause(id="c2", role="negative", text=f"The bird has {TAIL}.")
    after = Definition(clauses=(*DEFINITION.clauses, tail))
    assert changed_texts(DEFINITION, after) == [tail.text]
    assert changed_texts(after, DEFINITION) == [tail.text]
    assert together(DEFINITION, after).active == after.clauses
    files = at.context.pool.images
    found = clause_verdicts(run_to_end(at.annotator.judge(files, after)))
    board = turned(found, DEFINITION, after, at.context)
    assert board is not None
    assert board.ambiguity == tail.text
    shown = at.context.files(board.images)
    world = at.annotator.world
    turned_ones = [i for i in files if world.shows(i, RED) and world.shows(i, TAIL)]
    assert len(set(board.images) & {i.content_hash for i in turned_ones}) == min(5, len(turned_ones))
    assert len(shown) == 5
    assert turned(found, after, after, at.context) is None


def test_uncertain_images_are_doubted_first_and_some_certain_ones_too() -> None:
    verdicts = [verdict(f"sure{i}", 0.99) for i in range(20)]
    verdicts += [verdict("open", None), verdict("half", 0.5), verdict("near", 0.9)]
    found = doubtful(verdicts, Mined(near_miss=("near",)), Concept(name="x"), count=6)
    images = [each.image for each in found]
    assert set(images[:3]) == {"open", "half", "near"}
    assert len(images) == 6
    assert sum(image.startswith("sure") for image in images) == 3


def test_mined_images_are_new_and_unlike_the_blind_test(tmp_path: Path) -> None:
    at = scene(tmp_path)
    at.context.folder.save(with_blind_test(at.concept, at.context.pool, at.context.encoder, count=20))
    concept = with_definition(at)
    known = at.context.pool.images[0]
    label = Label(image=known.content_hash, value="in", split="dev", at="t")
    concept = concept.model_copy(update={"labels": (label,)})
    found, written = run_to_end(mine(concept, at.context))
    assert written
    assert len(set(found.images)) == len(found.images) == at.context.options.mined
    assert not set(found.images) & {*concept.blind, known.content_hash}
    vectors, rows = at.context.pool.vectors, at.context.pool.rows
    likeness = vectors[rows(list(found.images))] @ vectors[rows(list(concept.blind))].T
    assert float(likeness.max()) < NEAR_DUPLICATE


def test_images_of_a_question_are_unlike_the_blind_test(tmp_path: Path) -> None:
    at = scene(tmp_path)
    question = OpenScope(question="May it have a white crest?", about="birds with a white crest")
    first, second = images_for(question, at.concept, at.context)[:2]
    pool = at.context.pool
    vectors = pool.vectors.clone()
    vectors[pool.row_of[second]] = vectors[pool.row_of[first]]
    at.context.pool = ImagePool(pool.images, vectors)
    concept = at.concept.model_copy(update={"blind": {first: 1.0}})
    shown = images_for(question, concept, at.context)
    assert shown
    assert not {first, second} & set(shown)


def test_images_come_back_once_and_not_from_the_last_board() -> None:
    labels = [Label(image=f"i{n}", value="in", split="dev", at="t") for n in range(10)]
    labels += [Label(image="i0", value="in", split="dev", repeat=True, at="u")]
    boards = [
        Decision(
            kind="board", question="", images=tuple(f"i{n}" for n in numbers), answer="", at=str(numbers)
        )
        for numbers in (range(5), range(5, 8))
    ]
    concept = Concept(name="x", labels=tuple(labels), decisions=tuple(boards))
    back = returning(concept, 20, number=3, count=9)
    assert back[:2] in (("i8", "i9"), ("i9", "i8")), "those whose verdicts were never shown come first"
    assert set(back) == {"i1", "i2", "i3", "i4", "i8", "i9"}
    assert returning(concept, 1, number=3, count=9) == back[:1]
    assert returning(concept, 0, number=3, count=9) == ()
    assert returning(concept, -2, number=3, count=9) == (), "more came back than there should"


def test_revised_clauses_keep_their_ids_and_new_ones_get_new_ones(tmp_path: Path) -> None:
    concept = with_definition(scene(tmp_path))
    clauses = revised(
        concept, [("necessary", f"The bird has {RED}."), ("negative", "The bird has a crest.")], agreed=True
    )
    assert [(c.id, c.state) for c in clauses] == [("c1", "open"), ("c2", "agreed")]
    without = revised(concept, [("positive", "A bird.")], agreed=False)
    assert [(c.id, c.state) for c in without] == [("c1", "dropped"), ("c2", "open")]
    # An id of a version that was rolled back is not used again.
    later = concept.model_copy(
        update={
            "versions": (
                *concept.versions,
                Version(number=2, definition=Definition(clauses=clauses), why="", at="t"),
            )
        }
    )
    assert clause_ids(later, 2) == ["c3", "c4"]


def test_a_small_pool_gives_half_of_it_to_the_blind_test_at_most(tmp_path: Path) -> None:
    at = scene(tmp_path)
    few = ImagePool(at.context.pool.images[:12], at.context.pool.vectors[:12])
    concept = with_blind_test(at.concept, few, at.context.encoder, count=100)
    assert len(concept.blind) == 6
    assert with_blind_test(concept, few, at.context.encoder, count=100) is concept
    tiny = ImagePool(few.images[:4], few.vectors[:4])
    assert with_blind_test(at.concept, tiny, at.context.encoder, count=100).blind == {}
