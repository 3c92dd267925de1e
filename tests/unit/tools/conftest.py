"""Small CLIP models with random weights in folders, and images to encode."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.cache.vectorstore import MemoryVectorStore

TINY_CONFIG = {
    "model_cfg": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bicubic"},
}


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder, made once; tests copy it before they change it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny-clip")
    (folder / "open_clip_config.json").write_text(json.dumps(TINY_CONFIG))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = open_clip.CLIP(**copy.deepcopy(TINY_CONFIG["model_cfg"]))
        # At its first values attention is all but uniform, and positions hardly matter.
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.data.mul_(4)
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return folder


@pytest.fixture
def model_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    """Eleven different small pictures, 00.png to 10.png."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = np.random.default_rng(3)
    for i in range(11):
        pixels = noise.integers(0, 255, (40, 30 + i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return folder


class Stores:
    """Vector stores in memory, one per identity: what a cache folder is to two runs."""

    def __init__(self) -> None:
        self.by_identity: dict[str, MemoryVectorStore] = {}

    def __call__(self, identity: str, width: int) -> MemoryVectorStore:
        return self.by_identity.setdefault(identity, MemoryVectorStore(width=width))


@pytest.fixture
def stores() -> Callable[[str, int], MemoryVectorStore]:
    return Stores()
