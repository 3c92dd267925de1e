"""A reference pool of one's own goes before the model's: a folder of images, or a file of vectors."""

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.clip.encoder import scoring_identity


@pytest.fixture
def encoder(stores):
    return open_encoder("aviary", vectors=stores, device="cpu", workers=1)


def test_a_folder_of_images_goes_before_the_models_own(encoder, picture_folder):
    own, before = encoder.reference, scoring_identity(encoder)
    other = open_encoder("aviary", vectors=encoder._open_vectors, device="cpu", workers=1)
    other.reference_from = picture_folder
    assert other.reference.shape == (11, encoder.width)
    assert not torch.equal(other.reference, own[:11])
    assert other.identity == encoder.identity
    assert scoring_identity(other) != before


def test_a_file_of_vectors_is_read_at_unit_length_and_must_fit(encoder, tmp_path):
    rows = np.random.default_rng(0).normal(size=(5, encoder.width)).astype(np.float32)
    np.save(tmp_path / "pool.npy", rows)
    encoder.reference_from = tmp_path / "pool.npy"
    torch.testing.assert_close(
        encoder.reference, torch.nn.functional.normalize(torch.from_numpy(rows), dim=1)
    )
    np.save(tmp_path / "pool.npy", rows[:, :7])
    other = open_encoder("aviary", vectors=encoder._open_vectors, device="cpu")
    other.reference_from = tmp_path / "pool.npy"
    with pytest.raises(InputError, match="length 7"):
        _ = other.reference
