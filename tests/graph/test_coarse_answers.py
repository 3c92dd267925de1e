"""Open images get the smallest branch of a tree that they are surely in; the tree is given or asked for."""

import csv
from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.classifier import Classifier
from fieldmark.errors import InputError, QuestionFailed
from fieldmark.records import Question
from fieldmark.testing import ScriptedModel, data_of
from fieldmark.tools.datasets.class_tree import class_tree
from tests.graph.classifying import WORLD, draw, names_only
from tests.graph.running import make_context, options, run
from tests.graph.world import FakeEncoder

FIRST_LOOK = options(max_rounds=0, rivals=2.0, tau=0.3, risk=0.1)
"""Finch and crane, heron and robin have one belly: the first look leaves them open. The others stand out."""
PAIRS = {"finch": "red", "crane": "red", "heron": "blue", "robin": "blue", "gull": "rest", "wren": "rest"}
GROUPS = {"families": [{"family": "red", "classes": ["finch", "crane"]},
                       {"family": "Blue.", "classes": ["Heron", "robin", "penguin"]}]}  # fmt: skip


def classified(place: Path, answer: Any = GROUPS, **given: Any) -> tuple[Classifier, ScriptedModel]:
    """A classifier on the made-up world whose model groups the classes with that answer."""

    def said(question: Question[Any]) -> Any:
        return answer if question.prompt_id == "family.v1" else WORLD.answer(data_of(question))

    model = ScriptedModel(said)
    values = {
        "classes": WORLD.names, "clip": FakeEncoder(WORLD), "llm": model, "noun": "bird",
        "options": FIRST_LOOK, "out": place / "runs", "home": place / "home", "tree": "ask",
    } | given  # fmt: skip
    return Classifier(**values), model


def grouping(model: ScriptedModel) -> int:
    return sum(question.prompt_id == "family.v1" for question in model.asked)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw(tmp_path / "pictures", [(number, 0) for number in range(6)])


def test_open_images_get_their_branch_and_nothing_else_changes(tmp_path: Path) -> None:
    plain = run(make_context(tmp_path / "plain", WORLD, options=FIRST_LOOK))
    tree = class_tree(PAIRS, WORLD.names)
    ran = run(make_context(tmp_path / "tree", WORLD, options=FIRST_LOOK, tree=tree))
    unlike = {"coarse_label": None, "coarse_probability": None}
    assert tuple(p.model_copy(update=unlike) for p in ran.predictions) == plain.predictions
    assert {p.coarse_label for p in plain.predictions} == {None}
    for p, image in zip(ran.predictions, ran.context.usable, strict=True):
        truth = WORLD.truth(image)
        if p.status == "open":
            assert p.coarse_label == PAIRS[truth]
            shares = [c.probability for c in p.candidates if PAIRS[c.class_name] == PAIRS[truth]]
            assert p.coarse_probability == pytest.approx(sum(shares), abs=0.1)
            assert 1 >= p.coarse_probability >= 0.9
        else:
            assert (p.coarse_label, p.coarse_probability) == (None, None)
    assert sorted({p.status for p in ran.predictions}) == ["open", "resolved"]


def test_a_branch_that_is_not_sure_enough_is_not_given(tmp_path: Path) -> None:
    strict = FIRST_LOOK.model_copy(update={"risk": 1e-6})
    tree = class_tree(PAIRS, WORLD.names)
    ran = run(make_context(tmp_path, WORLD, options=strict, tree=tree))
    assert "open" in ran.statuses
    assert {p.coarse_label for p in ran.predictions} == {None}


def test_rejected_images_get_none(tmp_path: Path) -> None:
    tree = class_tree(PAIRS, WORLD.names)
    conformal = options(candidates="conformal", alpha=0.9, max_rounds=0, risk=0.9)
    calibration = tuple(WORLD.image(n, copy, labelled=True) for n in range(6) for copy in range(5, 9))
    ran = run(make_context(tmp_path, WORLD, options=conformal, tree=tree, calibration=calibration))
    rejected = [p for p in ran.predictions if p.status == "rejected"]
    assert rejected
    assert {p.coarse_label for p in rejected} == {None}


def test_the_language_model_groups_the_classes_once(tmp_path: Path, pictures: Path) -> None:
    classifier, model = classified(tmp_path)
    found = classifier.resolve(pictures)
    assert grouping(model) == 1
    labels = {Path(p.image).stem: p.coarse_label for p in found.predictions}
    assert labels == {"0-0": "red", "4-0": "red", "1-0": "Blue", "5-0": "Blue", "2-0": None, "3-0": None}
    assert found.manifest.counts["coarse"] == 4
    assert any("1 entry of the groups was left out" in note for note in found.manifest.notes)
    assert "within one group: red (" in found.why(0)
    with (found.run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["coarse_label"] for row in rows] == [p.coarse_label or "" for p in found.predictions]
    assert float(rows[0]["coarse_probability"]) == found.predictions[0].coarse_probability

    again = Classifier.from_run(found.run, clip=FakeEncoder(WORLD), llm=model)
    assert again.tree == "ask"
    assert again.resolve().predictions == found.predictions
    assert grouping(model) == 1


def test_a_given_tree_asks_nothing_and_is_kept_for_a_resumed_run(tmp_path: Path, pictures: Path) -> None:
    rows = "child,parent\n" + "".join(f"{child},{parent}\n" for child, parent in PAIRS.items())
    (tmp_path / "tree.csv").write_text(rows, encoding="utf-8")
    by_file, model = classified(tmp_path, tree=tmp_path / "tree.csv")
    found = by_file.resolve(pictures)
    assert grouping(model) == 0
    mapped, _ = classified(tmp_path, tree=PAIRS)
    assert mapped.resolve(pictures).predictions == found.predictions
    (tmp_path / "tree.csv").unlink()
    again = Classifier.from_run(found.run, clip=FakeEncoder(WORLD), llm=model)
    assert again.resolve().predictions == found.predictions


@pytest.mark.parametrize(
    "answer",
    [
        {"families": []},
        {"families": [{"family": "bird", "classes": list(WORLD.names)}]},
        {"families": [{"family": "bird", "classes": ["penguin"]}]},
    ],
)
def test_groups_that_are_of_no_use_are_refused(
    tmp_path: Path, pictures: Path, answer: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="groups cannot be used: No group holds some") as caught:
        classified(tmp_path, answer)[0].resolve(pictures)
    assert (caught.value.field, bool(caught.value.hint)) == ("tree", True)


def test_a_refusal_is_of_no_use_and_a_busy_endpoint_may_be_asked_again(
    tmp_path: Path, pictures: Path
) -> None:
    refused = QuestionFailed("It refused.", reason="refused")
    with pytest.raises(InputError, match="groups cannot be used: It refused"):
        classified(tmp_path, refused)[0].resolve(pictures)
    busy = QuestionFailed("It was busy.", reason="http", status=503, retryable=True)
    with pytest.raises(QuestionFailed, match="It was busy"):
        classified(tmp_path, busy)[0].resolve(pictures)


def test_a_tree_that_does_not_fit_is_refused_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks 'wren'"):
        classified(tmp_path, tree={name: kind for name, kind in PAIRS.items() if name != "wren"})
    with pytest.raises(InputError, match="no mapping of texts"):
        classified(tmp_path, tree={"finch": 3})
    with pytest.raises(InputError, match="cannot be read"):
        classified(tmp_path, tree=tmp_path / "missing.csv")


def test_the_estimate_counts_the_question(tmp_path: Path, pictures: Path) -> None:
    with_tree = classified(tmp_path)[0].estimate(pictures).first_look
    without = classified(tmp_path, tree=None)[0].estimate(pictures).first_look
    assert with_tree.questions == without.questions + 1


def test_names_alone_may_have_a_tree(tmp_path: Path, pictures: Path) -> None:
    tree = {"red thing": "warm", "blue thing": "cold"}
    assert names_only(tmp_path / "runs", tree=tree).resolve(pictures).manifest.usage.requests == 0
