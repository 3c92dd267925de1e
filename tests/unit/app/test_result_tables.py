"""Results have a short form, a table for notebooks and a data frame."""

from typing import Any

import pytest

from fieldmark import EvalResult, OptimizeResult
from fieldmark.agents.optimize.finish import BookScore
from fieldmark.agents.optimize.search_run import OtherEncoder, SearchSeconds
from fieldmark.evals.table.records import Row
from fieldmark.records.concept_predictions import ConceptPrediction, ConceptPredictions
from fieldmark.records.predictions import SkippedInput
from fieldmark.tools.statistics.resample import Gain

BOOK = BookScore(train_top1=0.5, test_top1=0.25, ci95=(0.1, 0.4), fitness=12.5, prompts=3)
GAIN = Gain(difference=0.1, ci95=(0, 0.2), p=1)
OPTIMIZED = OptimizeResult(
    data="x", classes=2, shots=1, seed=0, strategy="proapo", fitness="entropy", start=BOOK, best=BOOK,
    gain=None, kept_start=True, templates=(), generations=1, candidates=1, texts_encoded=1, distinct_texts=1,
    images_encoded=1, questions=0, seconds=SearchSeconds(total=1, encode=1, search=0), resumed=False,
    also=(OtherEncoder(clip="b", start_top1=0.1, best_top1=0.2, gain=GAIN),),
    run="runs/x",
)  # fmt: skip
ROW = Row(method="clip", title="CLIP", source="", data="x", setting="test", outcome="done", top1=0.5)
MEASURED = EvalResult(
    data="x", settings=("test",), rows=(ROW,), baseline="clip", control="waffle", clip="a", llm=None, seeds=1,
    shots=0, images_encoded=1, texts_encoded=1, seconds=1, run="runs/x",
)  # fmt: skip
PREDICTED = ConceptPredictions(
    concept="<bird>", version=1, threshold=0.5, encoder="a",
    predictions=(ConceptPrediction(image="a.png", image_hash="h", label="in", probability=0.9),),
    skipped=(SkippedInput(path="b.png", reason="no image"),), inputs=("b.png", "a.png"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("result", "short", "rows"),
    [
        (OPTIMIZED, "OptimizeResult(2 classes, 1 shots each: fitness 12.50 -> 12.50", 2),
        (MEASURED, "EvalResult('x', top-1: clip 0.500; run 'runs/x')", 1),
        (PREDICTED, "ConceptPredictions('<bird>' v1: 1 unread, 1 in)", 2),
    ],
)
def test_short_form_and_table(result: Any, short: str, rows: int) -> None:
    assert repr(result).startswith(short)
    table = result._repr_html_()
    assert table.count("<tr>") == rows + 1
    assert "<bird>" not in table


def test_data_frames() -> None:
    frame = OPTIMIZED.to_pandas()
    assert list(frame["book"]) == ["start", "best", "start", "best"]
    assert list(frame["test_top1"]) == [0.25, 0.25, 0.1, 0.2]
    assert frame["fitness"].isna().sum() == 2
    frame = MEASURED.to_pandas()
    assert set(Row.model_fields) < set(frame.columns)
    assert list(frame["top1"]) == [0.5]
    frame = PREDICTED.to_pandas()
    assert list(frame["image"]) == ["b.png", "a.png"]
    assert list(frame["reason"].isna()) == [False, True]
