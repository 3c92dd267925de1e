"""The ONNX model of a student gives what torch gives."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.learned import onnx_student
from fieldmark.tools.learned.contest import STUDENT
from fieldmark.tools.learned.onnx_student import DISTANCE, ONNX, PROBABILITIES, check_onnx, student_onnx
from fieldmark.tools.learned.stored import load_learned
from tests.unit.tools.learned.test_contest import drawn
from tests.unit.tools.learned.test_stored import ENCODER, export

__all__ = ["export"]


@pytest.mark.parametrize("reject", [True, False])
def test_onnx_gives_the_probabilities_of_classes_and_of_none(export, tmp_path, reject):
    folder, learned = export
    stored = load_learned(folder, ENCODER)
    if not reject:
        object.__setattr__(stored, "config", stored.config.model_copy(update={"farthest": None}))
    vectors, _ = drawn(3)
    far = torch.nn.functional.normalize(
        torch.randn(40, vectors.shape[1], generator=torch.manual_seed(1)), dim=1
    )
    vectors = torch.cat([vectors, far])
    wanted = stored.with_none(vectors, STUDENT)
    path = tmp_path / ONNX
    path.write_bytes(student_onnx(learned, stored.config))
    session = onnxruntime.InferenceSession(path)
    found, distance = session.run([PROBABILITIES, DISTANCE], {"vectors": vectors.numpy()})
    assert found.shape == (len(vectors), len(stored.config.classes) + 1)
    assert np.abs(found - wanted.numpy()).max() < 1e-5
    assert np.abs(distance - stored.means.distance(vectors).numpy()).max() < 1e-5
    assert np.abs(found.sum(1) - 1).max() < 1e-5
    assert bool((found[:, -1] == 1).any()) == reject
    assert (found[:, -1] == 0).any()
    said = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert json.loads(said["classes"]) == [*stored.config.classes, None]
    assert said["encoder_identity"] == ENCODER.identity


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(onnx_student, "onnx_installed", lambda: False)
    with pytest.raises(InputError, match=r"onnx is not installed.*fieldmark\[onnx\]"):
        check_onnx()
