from fieldmark.evals.owners.trials import stages
from fieldmark.records import Clause, Concept, Decision, Definition, Label, Version


def at(minute):
    return f"2030-01-01T00:{minute:02d}:00+00:00"


def version(number, minute):
    clause = Clause(id=f"c{number}", role="necessary", text=f"Clause {number}.")
    return Version(number=number, definition=Definition(clauses=(clause,)), why="", at=at(minute))


def label(minute, *, split="dev", primed=False, repeat=False):
    return Label(image=f"i{minute}", value="in", split=split, primed=primed, repeat=repeat, at=at(minute))


def board(minute):
    return Decision(kind="board", question="", answer="", at=at(minute))


def test_the_definition_of_a_stage_is_the_one_that_the_next_board_was_laid_out_for():
    concept = Concept(
        name="a",
        versions=(version(1, 1), version(2, 12), version(3, 13), version(4, 32)),
        current=4,
        decisions=(board(11), board(21), board(31)),
        labels=(
            label(10), label(10, split="blind"), label(11, primed=True), label(20), label(20, repeat=True),
            label(30),
        ),
    )  # fmt: skip
    found = stages(concept)
    assert [stage.definition for stage in found] == [
        concept.versions[number - 1].definition for number in (1, 3, 3, 4)
    ]
    # Blind labels, and those put right at a reveal, do not count; images that came back do.
    assert [stage.labels for stage in found] == [0, 1, 3, 4]


def test_a_conversation_without_boards_has_one_stage_and_one_without_a_definition_none():
    assert [s.labels for s in stages(Concept(name="a", versions=(version(1, 1),), current=1))] == [0]
    assert stages(Concept(name="a")) == ()
