"""The bundled model: loads with stock open_clip, sees marks of new species, and carries no pickle."""

import json
from pathlib import Path

import numpy as np
import pytest

import fieldmark.tools

FOLDER = Path(fieldmark.tools.__file__).parent / "clip" / "bundled" / "aviary"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    import torch

    from aviary_training.measure import measure
    from fieldmark.aviary.world.dataset import render_dataset
    from fieldmark.aviary.world.species import species_book

    # Seed and images are not those of any figure in the documents.
    book = species_book(4711, new=24, known=6)
    data = tmp_path_factory.mktemp("aviary") / "birds"
    truth = render_dataset(data, book, images_per_species=3, seed=4711, workers=1)
    # Two threads on a busy two-core machine wait for each other far longer than they work.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure(FOLDER, data, book, truth)
    finally:
        torch.set_num_threads(before)


def test_files_are_small_and_hold_no_pickle():
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {
        "MODEL.md", "bpe.txt.gz", "open_clip_config.json", "open_clip_model.safetensors",
        "reference.safetensors",
    }  # fmt: skip
    assert (FOLDER / "open_clip_model.safetensors").stat().st_size <= 10_000_000
    for path in FOLDER.glob("*.safetensors"):
        header = int.from_bytes(path.read_bytes()[:8], "little")
        assert json.loads(path.read_bytes()[8 : 8 + header])


def test_reference_pool_is_unit_vectors():
    from safetensors.numpy import load_file

    vectors = load_file(FOLDER / "reference.safetensors")["image_vectors"]
    assert vectors.shape == (512, 192) and vectors.dtype == np.float16
    assert np.abs(np.linalg.norm(vectors.astype(float), axis=1) - 1).max() < 2e-3


def test_marks_of_new_species_are_seen(measured):
    # The card's figures are far higher; these margins leave room for a small set of other species.
    assert measured.mean > 0.8
    for key, chance in (("cap", 1 / 7), ("leg_colour", 1 / 6), ("bill_colour", 1 / 6), ("body", 1 / 12)):
        assert measured.attributes[key] > chance + 0.2


def test_kinds_and_known_names_are_known_and_new_names_are_not(measured):
    assert measured.noun > 0.6
    assert measured.known_name > 0.5
    assert measured.new_name < 0.5
