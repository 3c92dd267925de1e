"""A pool too large for all classes: each image is scored for its likeliest ones, and arrays hold no more."""

from pathlib import Path

import pytest
import torch

from fieldmark.agents.resolve import context, first_look, rescoring
from fieldmark.agents.resolve.planning import pair_need
from fieldmark.errors import RunError
from fieldmark.records import ClassProbabilities
from fieldmark.tools.runs import probabilities
from fieldmark.tools.runs.probabilities import all_probabilities
from tests.graph.running import Ran, make_context, options, run
from tests.graph.world import FakeEncoder, World

WORLD = World(splits=1)
COUNT = len(WORLD.names)


def go(folder: Path, *, classes: int | None = None, **changed: object) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescoring, "DENSE_CELLS", 0)  # candidates alone are scored, as in a large pool
        if classes is not None:
            patch.setattr(context, "MOST_PAIRS", 0)
            for module in (first_look, rescoring):
                patch.setattr(module, "SHORTLIST", classes)
        encoder = FakeEncoder(WORLD, noise=0.8)
        chosen = options(**{"tau": 0.05, "patience": 9, **changed})
        return run(make_context(folder, WORLD, images=WORLD.images(3), encoder=encoder, options=chosen))


def asked(ran: Ran) -> list[tuple[str, tuple[str, ...]]]:
    return [(note.spec.kind, note.spec.classes) for note in ran.notebook.notes]


@pytest.mark.parametrize("ask", ["table", "pairs"])
def test_a_shortlist_of_all_classes_gives_what_the_whole_pool_gives(tmp_path: Path, ask: str) -> None:
    whole = go(tmp_path / "whole", ask=ask)
    short = go(tmp_path / "short", ask=ask, classes=COUNT)
    assert whole.state.round >= 1
    assert asked(short) == asked(whole)
    assert [(p.label, p.status, p.runner_up, p.first_label) for p in short.predictions] == [
        (p.label, p.status, p.runner_up, p.first_label) for p in whole.predictions
    ]
    for one, other in zip(short.predictions, whole.predictions, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
        assert [c.class_name for c in one.candidates] == [c.class_name for c in other.candidates]
        assert [c.attribute for c in one.contributions] == [c.attribute for c in other.contributions]


def test_few_classes_an_image_are_held_and_the_label_is_one_of_them(tmp_path: Path) -> None:
    ran = go(tmp_path, rule="evidence", classes=5)
    assert ran.context.rule == "table"
    arrays, images = ran.context.arrays, len(ran.predictions)
    listed = torch.from_numpy(arrays.get(ran.state.shortlist))
    for name in ("first", "scores", "candidates", "shortlist"):
        assert arrays.get(getattr(ran.state, name)).shape == (images, 5), name
    places = [[WORLD.names[c] for c in row] for row in listed.tolist()]
    for own, prediction in zip(places, ran.predictions, strict=True):
        assert prediction.label in own
        assert {each.class_name for each in prediction.candidates} <= set(own)
    assert ran.right(WORLD) > 0.6
    kept = ran.context.run.read(ClassProbabilities.FILE, ClassProbabilities)
    shares = torch.from_numpy(all_probabilities(kept, arrays))
    assert shares.shape == (images, COUNT)
    assert torch.allclose(shares.sum(1), torch.ones(images), atol=1e-4)
    assert ((shares > 0).sum(1) <= 5).all()


def test_probabilities_that_are_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = go(tmp_path, classes=5, max_rounds=1)
    monkeypatch.setattr(probabilities, "MOST", 10)
    kept = ran.context.run.read(ClassProbabilities.FILE, ClassProbabilities)
    with pytest.raises(RunError, match="too many to hold"):
        all_probabilities(kept, ran.context.arrays)


def test_the_need_of_pairs_is_the_same_from_a_shortlist() -> None:
    weights = torch.rand(30, 9, generator=torch.Generator().manual_seed(0))
    listed = weights.topk(4).indices.sort(1).values
    own = weights.gather(1, listed)
    dense = torch.zeros(30, 9).scatter_(1, listed, own)
    assert torch.allclose(pair_need(own, listed, 9), pair_need(dense), atol=0.011)
