"""The stages of a conversation: what the definition was before the first board, and after each."""

from dataclasses import dataclass

from fieldmark.agents.define.progress import counts
from fieldmark.records import Concept, Definition


@dataclass(frozen=True)
class Stage:
    """A conversation after some board.

    Attributes:
        labels: Labels outside of the blind test that the owner had given by then, repeats included.
        definition: The definition in force when the next board was laid out.
    """

    labels: int
    definition: Definition


def stages(concept: Concept) -> tuple[Stage, ...]:
    """The stage before the first board and that after each; none where there is no definition.

    A concept whose owner went back to an earlier version cannot be told from its versions alone; it is taken
    as if she had not.
    """
    ends = [decision.at for decision in concept.decisions if decision.kind == "board"]
    given = [label.at for label in concept.labels if counts(label)]
    found: list[Stage] = []
    for number in range(len(ends) + 1):
        following = ends[number] if number < len(ends) else None
        versions = [v for v in concept.versions if following is None or v.at <= following]
        if versions:
            labels = sum(at <= ends[number - 1] for at in given) if number else 0
            found.append(Stage(labels, versions[-1].definition))
    return tuple(found)
