"""Labels of a labelled set that are probably wrong, by a run that never saw them."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fieldmark.app.review.label_errors import REVIEW, review_labels
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError
from fieldmark.evals.report.review import write_review_page
from fieldmark.records import CandidateClass, ClassProbabilities, Contribution, LabelReview, Prediction
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.statistics.label_errors import label_errors

pytest.importorskip("cleanlab")

CLASSES = ("crow", "wren", "owl")


def predicted(
    folder: str, number: int, label: str, *, status: str = "resolved", by: str = "loop"
) -> Prediction:
    """A prediction whose runner-up is the name of its folder, where it is another class."""
    rival = folder if folder in CLASSES and folder != label else None
    marks = (
        Contribution(
            attribute="bill", contribution=2.0, label_value="thick", runner_up_value="thin", seen="thick"
        ),
        Contribution(attribute="tail", contribution=-0.5, label_value="long", runner_up_value="short"),
    )
    return Prediction(
        image=f"birds/{folder}/{number}.png",
        image_hash=f"{folder}-{number}",
        label=label,
        confidence=0.9,
        status=status,  # pyright: ignore[reportArgumentType]
        candidates=(CandidateClass(class_name=label, probability=0.9),),
        candidates_left=1,
        rounds=1,
        runner_up=rival,
        contributions=marks if rival else (),
        decided_by=by,  # pyright: ignore[reportArgumentType]
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run over ten images of each of two classes, two of them in the wrong folder; one fits no class."""
    folder = RunFolder.create(tmp_path / "runs", kind="classify", options={})
    found = [predicted("crow", number, "crow") for number in range(9)]
    found += [predicted("wren", number, "wren") for number in range(9)]
    found += [predicted("crow", 20, "wren"), predicted("wren", 21, "crow")]
    found += [predicted("wren", 22, "wren", status="rejected"), predicted("elsewhere", 1, "owl")]
    found += [predicted("crow", 23, "wren", by="label")]
    shares = np.full((len(found), len(CLASSES)), 0.05, dtype=np.float32)
    for row, p in enumerate(found):
        shares[row, CLASSES.index(p.label)] = 0.9
    folder.write_predictions(found)
    array = ArrayStore(folder.path / "arrays").put(shares)
    folder.write(ClassProbabilities.FILE, ClassProbabilities(classes=CLASSES, array=array))
    return folder


def test_labels_in_the_wrong_folder_are_found_and_written_down(run: RunFolder) -> None:
    review = review_labels(run)
    assert review.images == 21  # neither the one in no class's folder, nor the one a person labelled
    assert [(each.image_hash, each.given, each.suggested) for each in review.issues] == [
        ("crow-20", "crow", "wren"),
        ("wren-21", "wren", "crow"),
        ("wren-22", "wren", None),
    ]
    assert [each.attribute for each in review.issues[0].marks] == ["bill", "tail"]
    assert review.issues[0].in_words == "wren 90%, the label 5%"
    assert run.read(LabelReview.FILE, LabelReview) == review
    rows = list(csv.DictReader((run.path / REVIEW).open(encoding="utf-8")))
    assert [(row["given"], row["suggested"], row["against"], row["label"]) for row in rows] == [
        ("crow", "wren", "bill", ""),
        ("wren", "crow", "bill", ""),
        ("wren", "none of these", "", ""),
    ]
    page = write_review_page(run, review).read_text(encoding="utf-8")
    assert "bill: thick, not thin" in page
    assert "It fits no class." in page


def test_labels_may_be_given_as_a_table(run: RunFolder) -> None:
    labels = {p.image: p.label for p in run.read_predictions()} | {"birds/crow/3.png": "owl"}
    review = review_labels(run, labels)
    assert [each.image_hash for each in review.issues if each.suggested] == ["crow-3"]
    with pytest.raises(InputError, match="No image of the run has a label"):
        review_labels(run, {"birds/crow/3.png": None})


def test_one_class_alone_has_no_other_to_be_confused_with() -> None:
    found = label_errors(np.zeros(3, dtype=np.int64), np.full((3, 2), 0.5, dtype=np.float32))
    assert len(found.places) == 0
    assert found.quality.tolist() == [0.5, 0.5, 0.5]
