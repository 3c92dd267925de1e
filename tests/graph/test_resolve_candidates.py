"""What is left of each image round by round, and what a prediction says of it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fieldmark.agents.resolve import graph as resolve
from fieldmark.agents.resolve.planning import PlanView
from fieldmark.errors import InputError
from fieldmark.records import PromptBook, QuestionSpec
from fieldmark.tools.runs.events import RoundSummary
from tests.graph.running import Events, Ran, make_context, options, run
from tests.graph.world import FakeEncoder, FakeModel, World, data_of

WORLD = World()
RULES = {
    "table": {},
    "naive Bayes": {"rule": "nb"},
    "groups": {"ask": "groups"},
    "pairs": {"ask": "pairs"},
    "FuDD": {"rule": "fudd", "ask": "pairs", "candidates": "topk", "k": 4, "max_rounds": 1},
}


def kept_each_round(ran: Ran) -> list[np.ndarray]:
    """The candidates `[N, C]` after each triage, out of the checkpoint's history: fewer and fewer."""
    folder = ran.context.arrays.folder
    found = [ran.context.arrays.get(path.stem) for path in folder.glob("*.npy")]
    return sorted((a for a in found if a.dtype == np.bool_), key=lambda a: -int(a.sum()))


@pytest.mark.parametrize("chosen", RULES.values(), ids=RULES)
def test_candidates_only_ever_shrink(tmp_path: Path, chosen: dict[str, Any]) -> None:
    events = Events()
    world = World(splits=1)
    ran = run(make_context(tmp_path, world, options=options(tau=0.01, **chosen), progress=events))
    rounds = kept_each_round(ran)
    assert len(rounds) >= 1
    for earlier, later in pairwise(rounds):
        assert (later <= earlier).all()
    left = [event.candidates for event in events.of(RoundSummary)]
    assert left == sorted(left, reverse=True)  # pyright: ignore[reportArgumentType]
    assert left[-1] == int(rounds[-1].sum())


@pytest.mark.parametrize("chosen", RULES.values(), ids=RULES)
def test_every_rule_finds_the_truth_where_the_answers_tell_it(tmp_path: Path, chosen: dict[str, Any]) -> None:
    ran = run(make_context(tmp_path, WORLD, options=options(**chosen)))
    first_right = np.mean(
        [
            p.first_label == WORLD.truth(image)
            for p, image in zip(ran.predictions, ran.context.usable, strict=True)
        ]
    )
    assert first_right < 0.5  # the first look tells families apart, not the look-alikes within
    assert ran.right(WORLD) > 0.9


def test_predictions_agree_with_the_candidates_left(tmp_path: Path) -> None:
    ran = run(make_context(tmp_path, World(splits=1), options=options(tau=0.01, k=3, max_rounds=2)))
    left = ran.context.arrays.get(ran.state.candidates).astype(np.bool_)
    assert len({p.status for p in ran.predictions}) >= 1
    for prediction, row in zip(ran.predictions, left, strict=True):
        names = [WORLD.names[c] for c in row.nonzero()[0]]
        assert prediction.candidates_left == len(names)
        assert prediction.status == ("resolved" if len(names) == 1 else "open")
        assert {c.class_name for c in prediction.candidates} <= set(names)
        assert len(prediction.candidates) == min(len(names), 3)
        chances = [c.probability for c in prediction.candidates]
        assert chances == sorted(chances, reverse=True)
        assert prediction.label == prediction.candidates[0].class_name
        assert prediction.confidence == pytest.approx(chances[0], abs=1e-6)
        assert prediction.truth is None
        assert prediction.rounds == 2
        assert not prediction.calibrated


@pytest.mark.parametrize("tau", [0.1, 0.001])
@pytest.mark.parametrize("chosen", [{}, {"rule": "nb"}, {"ask": "pairs"}, {"name_weight": 0.0}])
def test_contributions_add_up_to_the_margin(tmp_path: Path, chosen: dict[str, Any], tau: float) -> None:
    ran = run(make_context(tmp_path, WORLD, options=options(tau=tau, max_rounds=2, **chosen)))
    told = [p for p in ran.predictions if p.margin is not None]
    assert len(told) > 16
    for prediction in told:
        assert sum(each.contribution for each in prediction.contributions) == pytest.approx(
            prediction.margin, abs=1e-5
        )
        assert prediction.runner_up not in (None, prediction.label)
        weights = [abs(each.contribution) for each in prediction.contributions]
        assert weights == sorted(weights, reverse=True)
    undecided = [p for p in told if p.status == "open"]
    assert all((p.margin or 0) >= 0 for p in undecided)
    assert bool(undecided) == (tau < 0.1)


def test_contributions_say_what_the_answers_said(tmp_path: Path) -> None:
    four = World(names=WORLD.names[:4])
    chosen = options(start="names", tau=0.0001, max_rounds=1)
    ran = run(make_context(tmp_path, four, options=chosen))
    compared = 0
    for prediction in ran.predictions:
        for each in prediction.contributions:
            if each.label_value is not None and each.contribution > 0.1:
                part = each.attribute.split()[0]
                assert each.label_value == each.seen == four.value(prediction.label, part)
                assert each.runner_up_value == four.value(str(prediction.runner_up), part) != each.seen
                compared += 1
    assert compared >= 8


def test_the_last_book_is_the_field_guide(tmp_path: Path) -> None:
    ran = run(make_context(tmp_path, WORLD))
    book = ran.context.run.read("book.json", PromptBook)
    assert book.classes == WORLD.names
    assert {prompt.origin.kind for prompt in book.prompts} == {"field_guide"}
    for prompt in book.prompts:
        part = str(prompt.origin.attribute).split()[0]
        assert prompt.text == f"a photo of a bird, which has {WORLD.value(prompt.class_name, part)}."


# ---------------------------------------------------------------- undescribed classes


class OnlyTwo:
    """A planner that asks about the first two of four look-alikes, and leaves the others undescribed."""

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        return (QuestionSpec(kind="group", classes=("finch", "crane")),)


def test_a_class_that_was_not_described_is_not_ruled_out_by_answers_about_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "planner_of", lambda context: OnlyTwo())
    images = WORLD.images(6, of=[0, 4, 8, 12])
    context = make_context(tmp_path, WORLD, images=images, options=options(tau=0.3, max_rounds=1))
    ran = run(context)
    first, last = kept_each_round(ran)
    finch, crane, owl, rail = (WORLD.names.index(name) for name in ("finch", "crane", "owl", "lark"))
    for undescribed in (owl, WORLD.names.index("rail")):
        assert (last[:, undescribed] == first[:, undescribed]).all()
        assert first[:, undescribed].any()
    assert rail != crane
    # Between the two that were described, the answers decide.
    assert last[:6, finch].all()
    assert not last[:6, crane].any()
    assert not last[6:12, finch].any()


# ---------------------------------------------------------------- conformal


def calibration(each: int = 4) -> tuple[Any, ...]:
    return tuple(WORLD.image(n, 100 + copy, labelled=True) for n in range(16) for copy in range(each))


def test_conformal_candidates_keep_the_truth_as_often_as_promised(tmp_path: Path) -> None:
    chosen = options(candidates="conformal", alpha=0.2, max_rounds=1)
    context = make_context(tmp_path, WORLD, images=WORLD.images(4), options=chosen, calibration=calibration())
    ran = run(context)
    left = ran.context.arrays.get(ran.state.candidates).astype(np.bool_)
    assert left.shape == (64 + 64, 16)  # the calibration images pass through the same loop
    assert len(ran.predictions) == 64  # and are no part of the result
    truth = [WORLD.names.index(WORLD.truth(image)) for image in ran.context.usable]
    assert left[np.arange(64), truth].mean() >= 0.8
    assert left[:64].sum(1).mean() < 8


def test_an_image_like_nothing_known_is_rejected(tmp_path: Path) -> None:
    """An image that shows nothing at all, where calibration images are all clear."""

    class Stranger(FakeEncoder):
        def image_vector(self, image: Any) -> torch.Tensor:
            vector = super().image_vector(image)
            if image.path.stem == "5-0":
                vector[:-1] = 0
            return vector / vector.norm()

    chosen = options(candidates="conformal", alpha=0.5, max_rounds=0, rivals=1.5)
    book_world = World(told=6)
    context = make_context(
        tmp_path, book_world, images=WORLD.images(1), options=chosen, calibration=calibration(),
        encoder=Stranger(book_world), llm=FakeModel(book_world),
    )  # fmt: skip
    ran = run(context)
    stranger = ran.predictions[5]
    assert (stranger.status, stranger.candidates_left) == ("rejected", 0)
    assert len(stranger.candidates) == 1
    assert stranger.label in WORLD.names
    assert ran.state.history[-1].rejected >= 1
    assert sum(p.status == "rejected" for p in ran.predictions) == ran.state.history[-1].rejected


def test_calibration_labels_that_are_no_class_are_named(tmp_path: Path) -> None:
    strangers = (*calibration(1), World(names=(*WORLD.names, "penguin")).image(16, labelled=True))
    wide = World(names=(*WORLD.names, "penguin"))
    context = make_context(
        tmp_path,
        WORLD,
        options=options(candidates="conformal"),
        calibration=strangers,
        encoder=FakeEncoder(wide),
    )
    with pytest.raises(InputError, match="penguin"):
        run(context)


def test_conformal_without_calibration_images_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="calibration images") as caught:
        run(make_context(tmp_path, WORLD, options=options(candidates="conformal")))
    assert caught.value.field == "calibration"


def test_calibration_images_are_asked_about_like_the_others(tmp_path: Path) -> None:
    model = FakeModel(WORLD)
    chosen = options(candidates="conformal", alpha=0.2, max_rounds=1, ask="groups")
    context = make_context(
        tmp_path,
        WORLD,
        images=WORLD.images(3, of=[0, 4]),
        options=chosen,
        calibration=calibration(),
        llm=model,
    )
    run(context)
    asked = {name for q in model.asked if "group" in q.prompt_id for name in data_of(q)["classes"]}
    assert asked == set(WORLD.names)


# ---------------------------------------------------------------- FuDD


def test_fudd_scores_nothing_outside_the_candidates(tmp_path: Path) -> None:
    model = FakeModel(WORLD)
    chosen = options(rule="fudd", ask="pairs", candidates="topk", k=4, max_rounds=1)
    ran = run(make_context(tmp_path, WORLD, llm=model, options=chosen))
    scores = ran.context.arrays.get(ran.state.scores)
    left = ran.context.arrays.get(ran.state.candidates).astype(np.bool_)
    assert (scores[~left] == -np.inf).all()
    assert np.isfinite(scores[left]).all()
    assert (left.sum(1) == 4).all()
    assert all(p.margin is None and p.contributions == () and p.status == "open" for p in ran.predictions)
    pairs = {q.about for q in model.asked if q.prompt_id == "differentiate.v1"}
    together = {
        (WORLD.names[a], WORLD.names[b])
        for row in left
        for a in row.nonzero()[0]
        for b in row.nonzero()[0]
        if a < b
    }
    assert pairs == together


def test_fudd_hears_no_rival_that_was_ruled_out(tmp_path: Path) -> None:
    chosen = options(
        start="names", rule="fudd", ask="pairs", candidates="margin", rivals=4.0, tau=0.2, max_rounds=1
    )
    ran = run(make_context(tmp_path, WORLD, options=chosen))
    scores = torch.from_numpy(ran.context.arrays.get(ran.state.scores))
    asked_within = ran.context.arrays.get(ran.state.earlier)  # the candidates that the round began with
    assert len(set(asked_within.sum(1).tolist())) > 1  # some images have fewer rivals than others
    texts = {note.spec.classes: note.votes for note in ran.notebook.notes if note.spec.kind == "pair"}
    for image, row in enumerate(asked_within):
        names = [WORLD.names[c] for c in row.nonzero()[0]]
        for name in names:
            said: list[str] = []
            for rival in names:
                votes = texts.get((name, rival)) or texts.get((rival, name)) or ()
                said += [str(v.caption).capitalize() for v in votes if v.class_name == name]
            listed = list(dict.fromkeys(said)) or [f"A photo of {'an' if name[0] in 'oi' else 'a'} {name}."]
            vector = ran.context.encoder.encode_texts(listed).mean(0)
            cosine = ran.context.vectors[image] @ (vector / vector.norm())
            assert float(scores[image, WORLD.numbers[name]]) == pytest.approx(float(cosine), abs=1e-5)
