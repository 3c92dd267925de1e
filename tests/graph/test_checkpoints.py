"""A checkpoint that somebody tampered with calls nothing, whichever graph it is of."""

from pathlib import Path

import pytest

from fieldmark.agents.build import run as build_running
from fieldmark.agents.build.run import run_build
from fieldmark.agents.define.run import Conversation
from fieldmark.agents.optimize import run as optimize_running
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import RunError
from tests.graph.define_world import scene
from tests.graph.tampering import plant_call
from tests.graph.test_build import setting
from tests.graph.test_optimize import context_on, search
from tests.graph.world import World

pytestmark = pytest.mark.usefixtures("checkpoints")


def test_a_tampered_search_calls_nothing(tmp_path: Path) -> None:
    search(context_on(tmp_path / "run", World()))
    plant_call(tmp_path / "run" / optimize_running.CHECKPOINT, "generation", proof=tmp_path / "called")
    with pytest.raises(RunError, match="damaged, or of another version"):
        search(context_on(tmp_path / "run", World()))
    assert not (tmp_path / "called").exists()


async def test_a_tampered_build_calls_nothing(tmp_path: Path) -> None:
    context, _ = setting(tmp_path / "run")
    await run_build(context)
    plant_call(context.folder.path / build_running.CHECKPOINT, "round", proof=tmp_path / "called")
    with pytest.raises(RunError, match="damaged, or of another version"):
        await run_build(context)
    assert not (tmp_path / "called").exists()


def test_a_tampered_conversation_calls_nothing(tmp_path: Path) -> None:
    async def begin() -> None:
        async with Conversation(scene(tmp_path / "run").context) as conversation:
            await conversation.begin()

    run_to_end(begin())
    checkpoint = scene(tmp_path / "run").context.folder.checkpoint
    plant_call(checkpoint, "spent", proof=tmp_path / "called")
    with pytest.raises(RunError, match="damaged, or of another version"):
        run_to_end(begin())
    assert not (tmp_path / "called").exists()
