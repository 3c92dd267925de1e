from fieldmark.evals.report.confusion import Change, TakenFor, confusions, label_changes
from tests.unit.evals.report.runs_to_report import Predict


def test_confusions_count_first_look_and_end(predict: Predict):
    predictions = [
        predict("a", "b", truth="a"),
        predict("b", "b", truth="a"),
        predict("b", "b", truth="b"),
        predict("c", "z", truth="c"),
        predict("b", "a"),
    ]
    found = confusions(predictions)
    assert found is not None
    assert (found.errors_first, found.errors_final) == (3, 1)
    assert found.pairs == (
        TakenFor(truth="a", label="b", first=2, final=1),
        TakenFor(truth="c", label="z", first=1, final=0),
    )
    assert found.classes == ("a", "b", "c", "z")
    assert found.first == ((0, 2, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 0))
    assert found.final == ((1, 1, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, 0))


def test_labels_outside_the_matrix_are_counted_together(predict: Predict):
    predictions = [predict("a", "b", truth="a")] * 3 + [predict("x", "y", truth="a")]
    found = confusions(predictions, most_classes=2)
    assert found is not None
    assert found.classes == ("a", "b")
    assert found.first[0] == (0, 3, 1)
    assert found.final[0] == (3, 0, 1)


def test_confused_classes_stand_side_by_side(predict: Predict):
    pairs = [("a", "d")] * 4 + [("b", "e")] * 3 + [("e", "d")] * 2 + [("c", "a")] * 2 + [("f", "g")]
    found = confusions([predict(label, label, truth=truth) for truth, label in pairs], most_classes=5)
    assert found is not None
    assert found.classes == ("a", "d", "c", "b", "e")


def test_no_confusion_without_truth_or_errors(predict: Predict):
    assert confusions([predict("a", "b")]) is None
    assert confusions([predict("a", "a", truth="a")]) is None
    assert confusions([]) is None


def test_label_changes_are_counted_most_frequent_first(predict: Predict):
    predictions = [
        predict("a", "b"),
        predict("a", "b"),
        predict("b", "a"),
        predict("a", "a"),
        predict("a", None),
    ]  # pyright: ignore
    assert label_changes(predictions) == (
        Change(before="b", after="a", count=2),
        Change(before="a", after="b", count=1),
    )
    assert len(label_changes(predictions, most=1)) == 1
