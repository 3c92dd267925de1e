"""What an annotator states is corrected by the owner's labels, and decides nothing."""

import pytest

from fieldmark.records import Call, Label, Verdict
from fieldmark.tools.annotate.confidence import LEAST_LABELS, Confidence, calibrated


def verdict(name: int, p: float | None, call: Call | None = None) -> Verdict:
    said: Call = call or ("abstain" if p is None else "in" if p >= 0.5 else "out")
    return Verdict(image=str(name), call=said, p=p, annotator="a")


def labelled(right: int, wrong: int, *, p: float) -> tuple[list[Verdict], dict[str, Label]]:
    """Calls that state p: so many of the owner's labels agree, so many do not."""
    count = right + wrong
    verdicts = [verdict(n, p if n % 2 else 1 - p) for n in range(count)]
    labels: dict[str, Label] = {}
    for n, each in enumerate(verdicts):
        says_in = (each.call == "in") == (n < right)
        labels[each.image] = Label(image=each.image, value="in" if says_in else "out", split="dev", at="t")
    return verdicts, labels


def test_few_labels_leave_the_annotators_own_word() -> None:
    verdicts, labels = labelled(LEAST_LABELS - 1, 0, p=0.7)
    found = calibrated(verdicts, labels)
    assert found == Confidence()
    assert found.right(verdict(0, 0.7)) == 0.7
    assert found.right(verdict(0, 0.2)) == 0.8


def test_an_annotator_that_boasts_is_brought_down_to_how_often_it_is_right() -> None:
    found = calibrated(*labelled(140, 60, p=0.97))
    assert found.labels == 200
    assert found.right(verdict(0, 0.97)) == pytest.approx(0.7, abs=0.05)
    assert found.right(verdict(0, 0.03)) == pytest.approx(0.7, abs=0.05)


def test_the_fewer_labels_the_nearer_to_what_is_stated() -> None:
    few, many = calibrated(*labelled(14, 6, p=0.97)), calibrated(*labelled(140, 60, p=0.97))
    assert 0.97 > (few.right(verdict(0, 0.97)) or 0) > (many.right(verdict(0, 0.97)) or 0)


def test_an_annotator_that_says_in_too_often_loses_more_there() -> None:
    verdicts = [verdict(n, 0.9 if n < 40 else 0.1) for n in range(80)]
    values = ["in" if n < 20 else "out" for n in range(80)]
    labels = {str(n): Label(image=str(n), value=v, split="dev", at="t") for n, v in enumerate(values)}  # pyright: ignore
    found = calibrated(verdicts, labels)
    said_in, said_out = found.right(verdict(0, 0.9)), found.right(verdict(0, 0.1))
    assert said_in is not None
    assert said_out is not None
    assert said_in < 0.65 < 0.9 < said_out


def test_a_low_confidence_leaves_the_call_as_it_is() -> None:
    verdicts = [verdict(n, 0.9) for n in range(50)]
    values = ["in" if n < 4 else "out" for n in range(50)]
    labels = {str(n): Label(image=str(n), value=v, split="dev", at="t") for n, v in enumerate(values)}  # pyright: ignore
    wrong = verdict(0, 0.9)
    assert (calibrated(verdicts, labels).right(wrong) or 1) < 0.5
    assert wrong.call == "in"


def test_an_annotator_that_is_mostly_wrong_is_worth_a_coin_toss_and_not_turned_round() -> None:
    found = calibrated(*labelled(4, 46, p=0.9))
    assert found.right(verdict(0, 0.9)) == pytest.approx(0.5)


def test_without_a_call_there_is_no_confidence_and_unsure_labels_do_not_count() -> None:
    verdicts, labels = labelled(30, 0, p=0.8)
    unsure = {name: label.model_copy(update={"value": "unsure"}) for name, label in labels.items()}
    assert calibrated(verdicts, unsure) == Confidence()
    assert calibrated([verdict(n, None) for n in range(30)], labels) == Confidence()
    assert calibrated(verdicts, labels).right(verdict(0, None)) is None
