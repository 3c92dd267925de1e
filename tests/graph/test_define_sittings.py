"""What lies around a conversation: the blind test, labels given by hand, sittings that end early."""

import asyncio
from pathlib import Path
from typing import Any

from fieldmark.agents.define_labelling import label_images
from fieldmark.agents.define_options import DefineOptions
from fieldmark.agents.define_running import Sitting, converse
from fieldmark.agents.define_scope import with_blind_test
from tests.graph.define_world import SMALL, Scene, scene


def talk(at: Scene, **given: Any) -> Sitting:
    return asyncio.run(converse(at.context, at.owner, **given))


def options(**changed: Any) -> DefineOptions:
    return DefineOptions.model_validate(SMALL.model_dump() | changed)


def free_images(at: Scene) -> list[str]:
    """Images outside of the blind test, which is drawn now."""
    folder, context = at.context.folder, at.context
    folder.save(with_blind_test(folder.load(), context.pool, context.encoder, count=SMALL.blind))
    return [i.content_hash for i in context.pool.images if i.content_hash not in folder.load().blind]


def test_a_concept_made_without_a_blind_test_never_gets_one(tmp_path: Path) -> None:
    at = scene(tmp_path, options(conversation=False))
    without = with_blind_test(at.concept, at.context.pool, at.context.encoder, count=0)
    at.context.folder.save(without)
    talk(at)
    assert at.concept.versions
    assert at.concept.blind == {}


def test_no_blind_test_is_drawn_from_images_that_may_be_labelled(tmp_path: Path) -> None:
    at = scene(tmp_path, options(conversation=False))
    asyncio.run(label_images(at.context.folder, [at.context.pool.images[0].content_hash], at.owner))
    talk(at)
    assert at.concept.blind == {}
