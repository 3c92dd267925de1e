"""The table for people, with other classes and their probabilities."""

import csv
import io

import numpy as np

from fieldmark.records import CandidateClass, Prediction
from fieldmark.tools.runs.predictions_csv import predictions_csv

CLASSES = ("wren", "=cmd()", "label")
PROBABILITIES = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], np.float32)


def prediction(label: str) -> Prediction:
    return Prediction(
        image="x.png",
        image_hash="h",
        label=label,
        confidence=0.5,
        status="resolved",
        candidates=(CandidateClass(class_name=label, probability=0.5),),
        candidates_left=1,
        rounds=0,
    )


def rows(**more: object) -> list[dict[str, str]]:
    made = [prediction("wren"), prediction("=cmd()")]
    text = predictions_csv(made, classes=CLASSES, probabilities=PROBABILITIES, **more)  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(text)))


def test_a_plain_table_names_one_class() -> None:
    assert not [name for name in rows()[0] if name.startswith(("label_", "prob"))]


def test_the_likeliest_classes_beside_the_label_follow_it() -> None:
    first, second = rows(top_k=2)
    assert (first["label_2"], first["probability_2"]) == ("'=cmd()", "0.300000")
    # The label need not be the likeliest: a round may have ruled that one out.
    assert (second["label"], second["label_2"], second["probability_2"]) == ("'=cmd()", "label", "0.600000")
    assert "label_3" not in first


def test_no_more_classes_are_named_than_there_are() -> None:
    first = rows(top_k=9)[0]
    assert (first["label_3"], first["probability_3"]) == ("label", "0.200000")
    assert "label_4" not in first


def test_each_class_can_have_a_column() -> None:
    first = rows(all_classes=True)[0]
    columns = {name: float(value) for name, value in first.items() if name.startswith("probability: ")}
    assert columns == {"probability: wren": 0.5, "probability: =cmd()": 0.3, "probability: label": 0.2}
    assert first["label"] == "wren"
