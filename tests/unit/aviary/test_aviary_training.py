"""The training steps, at a size that takes seconds: merges, images, one short stage, export."""

import random

import numpy as np

from aviary_training.bpe import learn_merges, write_merges
from aviary_training.captions import training_caption
from aviary_training.data import COLUMNS, draw_training_image, marks_of
from fieldmark.aviary.world.species import known_species, random_marks


def captions(count):
    rng = random.Random(0)
    return [
        training_caption(random_marks(rng, "heron"), "water", "day", "heron", None, rng) for _ in range(count)
    ]


def test_merges_are_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        write_merges(learn_merges(captions(300), 120), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_merges_by_hand():
    assert learn_merges(["aab aab", "aab"], 5) == [("a", "a"), ("aa", "b</w>")]
    assert learn_merges([], 5) == []


def test_training_images_are_reproducible_and_labelled():
    roster = known_species()
    for index in range(12):
        pixels, row = draw_training_image(index, 1, roster)
        again, _ = draw_training_image(index, 1, roster)
        assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8 and (pixels == again).all()
        assert len(row) == len(COLUMNS)
        if row[-1] >= 0:
            assert marks_of(np.array(row)) == dict(roster[row[-1]].marks)


def test_a_short_training_is_exported_and_loads(tmp_path, one_thread):
    import torch
    from PIL import Image

    from aviary_training.align import Stage, align
    from aviary_training.data import TrainingImages
    from aviary_training.export import export_model
    from aviary_training.measure import ExportedModel
    from aviary_training.model import (
        build_model,
        image_vectors,
        load_tokenizer,
        text_vectors,
    )
    from aviary_training.warmup import warm_up

    roster = known_species()
    drawn = [draw_training_image(index, 1, roster) for index in range(64)]
    images = TrainingImages(np.stack([p for p, _ in drawn]), np.array([row for _, row in drawn], np.int16))
    merges = tmp_path / "bpe.txt.gz"
    write_merges(learn_merges(captions(300), 120), merges)
    tokenizer = load_tokenizer(merges)
    torch.manual_seed(0)
    model = build_model(tokenizer)
    quiet = []
    warm_up(model, images, images, minutes=0.002, checkpoint=tmp_path / "w.safetensors", report=quiet.append)
    for locked in (True, False):
        stage = Stage("short", 0.002, 32, text_rate=1e-3, image_rate=1e-3, locked=locked)
        align(model, tokenizer, images, stage, report=quiet.append)
    export_model(model, tokenizer, merges, images, tmp_path / "model")

    loaded = ExportedModel(tmp_path / "model")
    texts = ["a photo of a bird, which has a red cap.", "a heron", "a photo of a heron by a lake"]
    with torch.no_grad():
        ours = text_vectors(model.eval(), tokenizer(texts))
    # Cutting short captions and rounding to float16 must not change what a text means.
    assert (ours - loaded.texts(texts)).abs().max() < 5e-3
    pictures = [Image.fromarray(pixels) for pixels in images.pixels[:4]]
    unit = torch.nn.functional.normalize(image_vectors(model, images.pixels[:4]), dim=-1)
    assert (unit * loaded.images(pictures)).sum(1).min() > 0.99
