"""A finished run that is scored anew with labels, and fails at it, stays as it had ended."""

from pathlib import Path

import pytest

from fieldmark import Classifier
from tests.graph.classifying import WORLD, draw
from tests.graph.running import options
from tests.graph.world import FakeEncoder, FakeModel


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_scoring_that_fails_leaves_the_run_finished_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    pool = draw(tmp_path / "pool", [(kind, copy) for kind in range(6) for copy in range(6)])
    run = (
        Classifier(
            classes=WORLD.names,
            clip=FakeEncoder(WORLD),
            llm=FakeModel(WORLD),
            noun="bird",
            out=tmp_path / "runs",
            options=options(rule="evidence"),
        )
        .resolve(pool)
        .run
    )
    before = (run / "manifest.json").read_bytes()

    async def failing(context: object) -> None:
        raise fault

    def scored_anew() -> Classifier:
        said = {str(next(pool.rglob("*.png"))): WORLD.names[0]}
        return Classifier.from_run(run, labels=said, asks=False, clip=FakeEncoder(WORLD))

    with monkeypatch.context() as broken:
        broken.setattr("fieldmark.app.classifier.run_resolve", failing)
        with pytest.raises(type(fault)):
            scored_anew().resolve()
    assert (run / "manifest.json").read_bytes() == before
    assert len(scored_anew().resolve().results) == 36
