from pathlib import Path

import pytest

from fieldmark.agents.resolve.state import ResolveState
from fieldmark.agents.shared.notes import Notebook
from fieldmark.errors import RunError
from fieldmark.evals.demo.ladder import RUNGS, Climb, World
from fieldmark.evals.demo.open_set import Calibration, OpenSet, StatusCounts
from fieldmark.evals.demo.results import (
    Ambiguous,
    DemoResult,
    DemoSeconds,
    EncoderCount,
    LlmCount,
    PairedScore,
    Resolved,
    RungScore,
)
from fieldmark.evals.demo.robustness import Robustness
from fieldmark.evals.report.demo import RUNG_WORDS, write_demo_report
from fieldmark.records import Prediction
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.report.checked_page import CheckedPage
from tests.unit.evals.report.runs_to_report import Predict, manifest_of, summary_of

NONE = StatusCounts(resolved=0, open=0, rejected=0)
OPEN_SET = OpenSet(
    listed=StatusCounts(resolved=3, open=1, rejected=0),
    unlisted=NONE,
    strangers=NONE,
    auroc_unlisted=None,
    auroc_strangers=None,
)


def result_of(run: RunFolder, **more: object) -> DemoResult:
    values: dict[str, object] = {
        "seed": 3,
        "books": 1,
        "mistakes": 0.15,
        "images": 4,
        "classes": 2,
        "ladder": tuple(
            RungScore(name=rung, top1=0.1 * n, ci95=(max(0, 0.1 * n - 0.05), 0.1 * n + 0.05))
            for n, rung in enumerate(RUNGS, 1)
        ),
        "paired": (
            PairedScore(a="resolve", b="fudd", difference=0.2, ci95=(0.1, 0.3), p=0.0002),
            PairedScore(a="descriptors", b="names", difference=-0.05, ci95=(-0.1, 0.02), p=0.21),
        ),
        "resolved": Resolved(count=3, top1=0.667, open_top1=None, top1_at_equal_coverage_first_step=0.333),
        "ambiguous": Ambiguous(before=4, after=1, rounds=2, stop_reasons={"max_rounds": 1}),
        "questions": {rung: 11 * n for n, rung in enumerate(RUNGS)},
        "llm": LlmCount(requests=1234, cached=5, failed=1, prompt_tokens=9, completion_tokens=8),
        "encoder": EncoderCount(images_encoded=4, texts_encoded=6, distinct_images=4, distinct_texts=7),
        "seconds": DemoSeconds(total=10, render=2, encode=3, llm=4, score=1),
        "conditions": {"names": "new", "image_noise": 0, "text_noise": 0, "mistakes": 0.15, "rule": "table"},
        "open_set": OPEN_SET,
        "calibration": Calibration(ece=0.021, mean_confidence=0.9, images=4),
        "run": str(run.path),
    }
    return DemoResult.model_validate(values | more)


def climb_of(run: RunFolder, predictions: list[Prediction], *, reason: str = "max_rounds") -> Climb:
    return Climb(
        world=World(
            classes=("a", "b"),
            noun="bird",
            images=tuple(ImageFile(Path(p.image), p.image_hash, p.truth) for p in predictions),
        ),
        labels={},
        questions={},
        predictions=tuple(predictions),
        state=ResolveState(
            history=tuple(summary_of(n, len(predictions)) for n in range(3)), stop_reason=reason
        ),  # pyright: ignore
        notebook=Notebook(),
        fudd_notebook=Notebook(),
        run=run,
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder.create(tmp_path / "runs", kind="demo", options={})
    run.write_manifest(manifest_of(run))
    return run


@pytest.fixture
def predictions(predict: Predict, open_prediction: Predict) -> list[Prediction]:
    return [
        predict("a", "b", truth="a"),
        predict("b", "a", truth="a"),
        open_prediction("a", "b", truth="b"),
        predict("b", "b", truth="b"),
    ]


def test_demo_page_says_all_it_must(run: RunFolder, predictions: list[Prediction]):
    path = write_demo_report(run, result_of(run), [climb_of(run, predictions)])
    page = CheckedPage(path.read_text(encoding="utf-8"))
    assert path == run.path / "report.html"
    assert "No language model was asked." in page.text
    assert "It is not a language model." in page.text
    assert "Here 15% of its statements are wrong." in page.text
    for title, note in RUNG_WORDS.values():
        assert title in page.text and note in page.text
    assert "70.0% 65.0%–75.0% 66" in page.text  # the loop: top-1, interval, questions
    assert "against FuDD" in page.text and "+20.0 +10.0 to +30.0" in page.text and "< 0.001" in page.text
    assert "against bare names" in page.text and "−5.0 −10.0 to +2.0" in page.text
    assert "Resolved by the loop 66.7% 3" in page.text
    assert "Left open by the loop – 1" in page.text
    assert "First look 0 4 0 Round 1 1 3 5 Round 2 2 2 5" in page.text
    assert "The run stopped because it had asked for as many rounds as it was allowed to." in page.text
    assert "mended 1 label" in page.text and "spoilt 0" not in page.text
    assert "Wrong at first, then resolved 1" in page.text
    assert "Resolved, yet wrong 1" in page.text
    assert "Still open 1" in page.text
    assert "1,234 questions answered afresh" in page.text or "questions answered afresh 1,234" in page.text
    assert "Under harder conditions" not in page.text
    assert "Confidence is 90.0% on average, with a calibration error (ECE) of 2.1%." in page.text
    assert "stood in the pool" not in page.text
    assert page.count("img") == 3


def test_every_rung_has_words():
    assert set(RUNG_WORDS) == set(RUNGS)


def test_robustness_is_shown_where_it_was_measured(run: RunFolder, predictions: list[Prediction]):
    measured = Robustness(
        quarter_pool_resolve=0.41,
        quarter_pool_everything=0.33,
        one_by_one_resolve=0.35,
        one_by_one_everything=0.31,
        images_quarter=400,
        images_one_by_one=1600,
    )
    path = write_demo_report(run, result_of(run, robustness=measured), [climb_of(run, predictions)])
    text = CheckedPage(path.read_text(encoding="utf-8")).text
    assert "A quarter of the classes present All of them still possible 41.0% 33.0% 400" in text
    assert "One picture at a time By the finished field guide 35.0% 31.0% 1,600" in text


def test_several_books_are_pooled(run: RunFolder, predictions: list[Prediction]):
    stopped = Ambiguous(before=8, after=2, rounds=2, stop_reasons={"max_rounds": 1, "resolved": 1})
    path = write_demo_report(
        run,
        result_of(run, books=2, images=8, ambiguous=stopped),
        [climb_of(run, predictions), climb_of(run, predictions)],
    )
    text = CheckedPage(path.read_text(encoding="utf-8")).text
    assert "2 species books" in text
    assert "1 of 2 runs stopped because every image was resolved." in text
    assert "First look 0 8 0 Round 1 2 6 10 Round 2 4 4 10" in text


def test_a_demo_without_manifest_is_an_error(tmp_path: Path, predictions: list[Prediction]):
    run = RunFolder.create(tmp_path / "runs", kind="demo", options={})
    with pytest.raises(RunError, match=r"manifest\.json"):
        write_demo_report(run, result_of(run), [climb_of(run, predictions)])


def test_images_of_no_class_have_a_line_and_are_no_confusions(
    run: RunFolder, predictions: list[Prediction], predict: Predict
):
    measured = OPEN_SET.model_copy(
        update={"unlisted": StatusCounts(resolved=1, open=0, rejected=2), "auroc_unlisted": 0.875}
    )
    unlisted = predict("a", "a", truth="a third bird")
    path = write_demo_report(
        run, result_of(run, open_set=measured), [climb_of(run, [*predictions, unlisted])]
    )
    text = CheckedPage(path.read_text(encoding="utf-8")).text
    assert "3 pictures of unlisted species stood in the pool: 1 resolved, 0 open, 2 rejected." in text
    assert "Told from the listed ones with AUROC 0.88." in text
    assert "without a bird stood" not in text
    assert "mended 1 label" in text
    assert "Resolved, yet wrong 2" in text


def test_a_rejected_picture_is_neither_right_nor_wrong_but_its_class_is_told(
    run: RunFolder, predict: Predict
):
    rejected = predict("a", "a", truth="a third bird", status="rejected", candidates=(), candidates_left=0)
    path = write_demo_report(run, result_of(run), [climb_of(run, [rejected])])
    text = CheckedPage(path.read_text(encoding="utf-8")).text
    assert "rejected True class: a third bird" in text
