import pytest

from fieldmark.cli.concept.build import going_on, most_debates
from fieldmark.cli.concept.evaluate import said, show
from fieldmark.cli.concept.predict import in_words
from fieldmark.cli.exit_codes import InterruptedRun
from fieldmark.cli.terminal import one_line
from fieldmark.errors import EndpointError, InputError, LimitReached
from fieldmark.records.building import Judge, Measurement, Score
from fieldmark.records.concept_predictions import ClauseScore, ConceptPrediction


@pytest.mark.parametrize(
    ("error", "code"),
    [(EndpointError("down.", hint="Start it."), 2), (LimitReached("enough."), 3), (KeyboardInterrupt(), 130)],
)
def test_what_stops_the_work_says_how_to_go_on(error, code):
    with pytest.raises((EndpointError, LimitReached, InterruptedRun)) as caught, going_on("Again."):
        raise error
    assert caught.value.exit_code == code
    assert caught.value is error or isinstance(error, KeyboardInterrupt)  # what else it knows stays
    assert caught.value.hint in ("Start it. Again.", "Again.")


@pytest.mark.parametrize(
    ("given", "most"), [("40", 40), ("0", 0), ("5%", 75), ("1%", 15), ("100%", 1500), ("0%", 0)]
)
def test_debates_are_a_number_or_a_share_of_what_is_annotated(given, most):
    assert most_debates(given, 1500) == most


@pytest.mark.parametrize("given", ["-1", "many", "5.5%", "101%", "5%%", "", "%"])
def test_what_is_neither_is_refused(given):
    with pytest.raises(InputError, match="no number of debates"):
        most_debates(given, 1500)


def test_wrong_input_is_left_alone():
    with pytest.raises(InputError) as caught, going_on("Again."):
        raise InputError("wrong.")
    assert caught.value.hint == ""


def test_scores_in_words():
    assert said(Score(value=None)) == "–"
    assert said(Score(value=0.5)) == "0.50"
    assert said(Score(value=0.5, ci95=(0.25, 0.75))) == "0.50 (0.25 to 0.75)"


def test_a_measurement_in_words(capsys):
    none = Score(value=None)
    judge = Judge(
        name="own labels", f1=Score(value=0.5), auprc=none, recall_at_precision_90=none, kappa=none, judged=30
    )
    measured = Measurement(
        concept="x", version=2, at="2026-01-02T03:04:05", images=30, positives=9, judges=(judge,),
        self_kappa=none, mcnemar_p=0.04, mcnemar_version=1, calls={},
    )  # fmt: skip
    show(measured, looked_now=False, json=False)
    out = capsys.readouterr().out
    assert "x, version 2: 30 blind labels, 9 in" in out
    assert "Measured on 2026-01-02 03:04." in out
    assert "your labels alone" in out
    assert "ceiling): unknown, as no image came back, or you said the same of all" in " ".join(out.split())
    assert "Against version 1: McNemar p 0.04." in out
    show(measured, looked_now=True, json=True)
    both = capsys.readouterr()
    assert (both.out, "Measured on" in both.err) == ("", False)


def test_a_prediction_is_one_line_whatever_its_file_is_called():
    clause = ClauseScore(clause="c1", role="negative", text="It is red.", probability=0.9)
    one = ConceptPrediction(
        image="a\nb\x1b\udcff.png", image_hash="0", label="out", probability=0.1, clauses=(clause,)
    )
    assert in_words(one) == "out  0.100  a\\nb\\x1b\\udcff.png  (negative, 0.90: It is red.)"
    assert in_words(one.model_copy(update={"clauses": ()})) == "out  0.100  a\\nb\\x1b\\udcff.png"
    assert one_line("ältere Höhe 鳥") == "ältere Höhe 鳥"
