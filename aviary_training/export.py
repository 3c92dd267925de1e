"""Writes a trained model as a folder that stock open_clip loads: config, float16 weights, merges."""

import json
import shutil
from pathlib import Path

import torch
import torch.nn.functional as functional
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file

from aviary_training.data import TrainingImages
from aviary_training.model import PIXEL_MEAN, PIXEL_STD, image_vectors, model_config

REFERENCE_IMAGES = 512
REFERENCE_KEY = "image_vectors"


def export_model(
    model: CLIP, tokenizer: SimpleTokenizer, merges: Path, images: TrainingImages, folder: Path
) -> None:
    """Write the model folder.

    Args:
        model: The trained model.
        tokenizer: Its tokenizer.
        merges: The merges file, copied.
        images: Training images; the first 512 give the reference pool.
        folder: Gets `open_clip_config.json`, `open_clip_model.safetensors` (float16), `bpe.txt.gz` and
            `reference.safetensors` (`image_vectors`, float16 `[512, 192]`, unit length: what images of this
            world look like on average, to centre scores when only one image is at hand).
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_cfg": model_config(tokenizer.vocab_size),
        "preprocess_cfg": {
            "mean": [PIXEL_MEAN / 255] * 3,
            "std": [PIXEL_STD / 255] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    text = config["model_cfg"]["text_cfg"]  # type: ignore[index]
    text["tokenizer_kwargs"] = {"bpe_path": "bpe.txt.gz"}  # type: ignore[index]
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    _save(weights, folder / "open_clip_model.safetensors")
    if merges.resolve() != (folder / "bpe.txt.gz").resolve():
        shutil.copyfile(merges, folder / "bpe.txt.gz")
    vectors = image_vectors(model, images.pixels[:REFERENCE_IMAGES])
    pool = functional.normalize(vectors, dim=-1).to(torch.float16).contiguous()
    _save({REFERENCE_KEY: pool}, folder / "reference.safetensors")


def _save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    save_file(tensors, file)
    # safetensors makes files that only their owner can read; a package's files are for everybody.
    file.chmod(0o644)
