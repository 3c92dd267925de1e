"""Which way is chosen among measured ones, and what is seen of attributes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fieldmark.app.advice.advice import Advice
from fieldmark.app.advice.conclude import conclude, seen_attributes, setting_of
from fieldmark.evals.table.join import SettingRuns
from fieldmark.records import CandidateClass, Contribution, Prediction
from tests.unit.evals.report.tables_to_report import LABELS, evaluation, method, run, truth

EVERY = tuple(range(len(LABELS)))


def advised(
    tmp_path: Path, *, names: Sequence[int], answers: Sequence[int], four: Sequence[int] = ()
) -> Advice:
    """The advice where each way is right about these images."""
    without, labelled = setting_of(0), setting_of(4)
    settings = [
        SettingRuns(
            truth(without, train=0),
            [run("clip", names, setting=without), run("resolve", answers, setting=without)],
        ),
        SettingRuns(
            truth(labelled, train=8),
            [run("clip", names, setting=labelled), run("tip-adapter", four, setting=labelled)],
        ),
    ]
    methods = [method(key) for key in ("clip", "resolve", "tip-adapter")]
    folder, result = evaluation(tmp_path, settings, methods, baseline="clip")
    return conclude(settings, result, folder)


def test_the_cheapest_that_is_not_clearly_worse_is_chosen(tmp_path: Path) -> None:
    for number, (names, answers, four, means) in enumerate(
        [
            (EVERY, EVERY, EVERY, "names"),
            ((0, 4), EVERY, EVERY, "answers"),
            ((0, 4), (0, 1, 4, 5), EVERY, "labels"),
            ((2, 3, 4, 5), (0, 4), (0, 1, 2, 3, 5), "names"),  # better at one class, worse at the other
        ]
    ):
        advice = advised(tmp_path / str(number), names=names, answers=answers, four=four)
        assert advice.chosen.means == means
        assert [way.shots for way in advice.ways] == [0, 0, 4]
        best = max(way.top1 for way in advice.ways)
        assert [way.behind for way in advice.ways] == pytest.approx([best - way.top1 for way in advice.ways])


def test_names_that_say_little_come_first(tmp_path: Path) -> None:
    advice = advised(tmp_path, names=(0, 4, 5, 6), answers=EVERY)
    assert [(each.class_name, each.right, each.images) for each in advice.names] == [
        ("wren", 0.25, 4), ("crow", 0.75, 4),
    ]  # fmt: skip
    assert [each.class_name for each in advice.unknown] == ["wren"]


def test_an_attribute_is_seen_as_often_as_it_speaks_for_the_true_class() -> None:
    def said(label: str, crest: float, bill: float) -> Prediction:
        values = {"label_value": "red", "runner_up_value": "blue"}
        return Prediction(
            image="x.png", image_hash="x", label=label, confidence=0.5, status="open", rounds=1,
            candidates=(CandidateClass(class_name=label, probability=1.0),),
            candidates_left=1,
            runner_up="crow" if label == "wren" else "wren",
            contributions=(
                Contribution(attribute="crest", contribution=crest, **values),
                Contribution(attribute="bill", contribution=bill, **values),
                Contribution(attribute="names", contribution=1.0),
                Contribution(attribute="tail", contribution=1.0, label_value="red", runner_up_value="red"),
            ),
        )  # fmt: skip

    # The true class is the label of the first nine, the runner-up of the next three, neither of the last.
    predictions = [*[said("wren", 1.0, -1.0)] * 9, *[said("crow", -1.0, -1.0)] * 3, said("wren", -1.0, 1.0)]
    seen = seen_attributes(predictions, [*["wren"] * 12, "owl"])
    assert [(each.attribute, each.right, each.images) for each in seen] == [
        ("bill", 0.25, 12), ("crest", 1.0, 12),
    ]  # fmt: skip
    assert seen_attributes(predictions[:11], ["wren"] * 11) == ()  # too few to judge by
