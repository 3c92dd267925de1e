"""Makes predictions of real, small pictures."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.records import CandidateClass, Prediction
from tests.unit.evals.report.runs_to_report import CONTRIBUTIONS, Predict


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    """Makes predictions of real pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    number = 0

    def make(label: str, first: str, **more: object) -> Prediction:
        nonlocal number
        number += 1
        path = folder / f"{number:04}.png"
        Image.fromarray(np.full((12, 16, 3), number % 256, np.uint8)).save(path)
        values: dict[str, object] = {
            "image": str(path),
            "image_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
            "label": label,
            "confidence": 0.9,
            "status": "resolved",
            "candidates": (CandidateClass(class_name=label, probability=1.0),),
            "candidates_left": 1,
            "rounds": 2,
            "first_label": first,
            "first_confidence": 0.4,
            "runner_up": "rival",
            "margin": 1.25,
            "contributions": CONTRIBUTIONS,
        }
        return Prediction.model_validate(values | more)

    return make


@pytest.fixture
def open_prediction(predict: Predict) -> Predict:
    """Makes predictions of images that are left open."""

    def make(*names: str, **more: object) -> Prediction:
        candidates = tuple(CandidateClass(class_name=name, probability=1 / len(names)) for name in names)
        values = {"status": "open", "candidates": candidates, "candidates_left": len(names)}
        return predict(names[0], names[0], **(values | more))

    return make
