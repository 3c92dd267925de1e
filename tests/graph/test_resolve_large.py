"""A table too large to score whole: what an interrupted run looks at is what it looked at before."""

from pathlib import Path

import pytest

from fieldmark.agents.resolve import rescoring
from fieldmark.tools.runs.events import Event, QuestionAnswered, RoundPlanned, RoundSummary
from tests.graph.running import Ran, make_context, options, run
from tests.graph.world import FakeEncoder, World

WORLD = World(splits=1)
OPTIONS = options(tau=0.05, max_rounds=6, patience=9)


class Killed(BaseException):
    """Ends a process in the middle of a node."""


@pytest.fixture(autouse=True)
def only_candidates_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    sparsely(monkeypatch)


def sparsely(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rescoring, "DENSE_CELLS", 0)
    patch.setattr(rescoring, "SHORTLIST", 3)


def go(folder: Path, *, die_at: tuple[type[Event], int] | None = None) -> Ran:
    seen = 0

    def progress(event: Event) -> None:
        nonlocal seen
        seen += die_at is not None and isinstance(event, die_at[0])
        if die_at is not None and seen == die_at[1]:
            raise Killed

    encoder = FakeEncoder(WORLD, noise=0.8)
    images = WORLD.images(5)
    return run(
        make_context(folder, WORLD, images=images, encoder=encoder, options=OPTIONS, progress=progress)
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        sparsely(patch)
        return go(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    "die_at", [*((RoundPlanned, on) for on in range(2, 7)), (QuestionAnswered, 22), (RoundSummary, 3)]
)
def test_an_interrupted_run_ends_in_the_same_bytes(
    tmp_path: Path, whole: Ran, die_at: tuple[type[Event], int]
) -> None:
    with pytest.raises(Killed):
        go(tmp_path, die_at=die_at)
    ran = go(tmp_path)
    assert ran.state.history == whole.state.history
    assert ran.notebook == whole.notebook
    assert ran.raw == whole.raw


def test_what_is_concluded_after_a_kill_is_the_same(
    tmp_path: Path, whole: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("fieldmark.agents.resolve.graph.conclude", die)
        with pytest.raises(Killed):
            go(tmp_path)
    assert go(tmp_path).raw == whole.raw
