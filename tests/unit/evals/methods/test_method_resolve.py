"""The resolve loop as one method among others, and the control that knows as much as FuDD."""

import pytest
import torch

from fieldmark.errors import EndpointError, LimitReached
from fieldmark.evals.methods.resolve import candidates_first
from tests.graph.world import FakeModel
from tests.unit.evals.methods.made_up_bench import WORLD, Benches, by_hand, scored_by, scores_by


def test_the_loops_own_labels_and_confidences_come_out(make_bench: Benches) -> None:
    bench = make_bench()
    scored = scored_by("resolve", bench)
    assert scored.scores is not None and scored.probabilities is not None and scored.candidates is not None
    predictions = list(bench.run.read_predictions())
    labels = [WORLD.names[c] for c in scored.scores.argmax(1).tolist()]
    assert labels == [p.label for p in predictions]
    assert all(p.truth is None for p in predictions)  # no label of a test image reached the loop
    best = scored.probabilities.gather(1, scored.scores.argmax(1)[:, None])[:, 0]
    assert best.tolist() == pytest.approx([p.confidence for p in predictions], abs=1e-5)
    resolved = sum(p.status == "resolved" for p in predictions) / len(predictions)
    assert scored.diagnostics["resolved"] == pytest.approx(resolved)
    assert scored.candidates.sum(1).tolist() == [p.candidates_left for p in predictions]
    assert bench.cost.llm_requests > 6


def test_ruled_out_classes_rank_behind_those_left() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0, -torch.inf], [3.0, 1.0, 2.0, 0.0], [5.0, 5.0, 5.0, 5.0]])
    left = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]).bool()
    ordered = candidates_first(scores, left).argsort(dim=1, descending=True, stable=True)
    assert ordered.tolist() == [[2, 1, 0, 3], [0, 2, 1, 3], [3, 0, 1, 2]]


@pytest.mark.parametrize("error", [EndpointError("down"), LimitReached("enough")])
def test_a_loop_that_was_stopped_is_no_result(make_bench: Benches, error: Exception) -> None:
    def after_descriptions(question: object) -> Exception | None:
        return None if getattr(question, "prompt_id", "") == "describe.v1" else error

    bench = make_bench(llm=FakeModel(WORLD, fault=after_descriptions))
    with pytest.raises(type(error)):
        scored_by("resolve", bench)


def test_everything_lists_what_fudd_was_told_for_all_classes(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    bench = make_bench(llm=model)
    found = scores_by("everything", bench)
    marks: dict[str, dict[str, None]] = {name: {} for name in WORLD.names}
    for pair in [[n for n in WORLD.names if n in q.about] for q in model.asked]:
        for part in WORLD.differing(pair):
            for name in pair:
                marks[name][WORLD.value(name, part)] = None
    texts = [[f"a photo of a bird, which has {mark}." for mark in own] for own in marks.values()]
    assert torch.allclose(found, by_hand(bench, texts), atol=1e-4)
    named = [
        [f"a photo of {'an' if name == 'owl' else 'a'} {name}, which has {mark}." for mark in own]
        for name, own in marks.items()
    ]
    assert torch.allclose(scores_by("everything-named", make_bench()), by_hand(bench, named), atol=1e-4)
