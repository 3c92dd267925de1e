"""Talks with the scripted owner of a concept, for the tests of the conversation."""

from typing import Any

from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.run import Sitting, converse
from fieldmark.app.event_loop import run_to_end
from fieldmark.records import Concept
from tests.graph.define_world import CREST, RED, SMALL, TAIL, Scene

WANTED = {("necessary", RED), ("negative", CREST), ("negative", TAIL)}


def talk(at: Scene, **given: Any) -> Sitting:
    return run_to_end(converse(at.context, at.owner, **given))


def options(**changed: Any) -> DefineOptions:
    return DefineOptions.model_validate(SMALL.model_dump() | changed)


def told(concept: Concept) -> Any:
    """What was said and decided, without times."""
    return (
        [(c.image, c.value, c.split, c.reason, c.primed, c.repeat) for c in concept.labels],
        [(d.kind, d.question, d.images, d.answer, d.edit) for d in concept.decisions],
        [(v.number, v.definition, v.scores) for v in concept.versions],
        concept.current,
        concept.blind,
    )
