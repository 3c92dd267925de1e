"""Made-up encoders and the folder of published files, shared by the conformance tests."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def in_one_thread(one_thread: None) -> None:
    """See `one_thread`."""


@pytest.fixture
def encode() -> Callable[[Sequence[str]], torch.Tensor]:
    """Texts to made-up vectors [M, 16] that depend on the text alone and are not of unit length."""

    def vector(text: str) -> torch.Tensor:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(16, generator=generator) * (1 + seed % 5)

    return lambda texts: torch.stack([vector(text) for text in texts])


@pytest.fixture
def interop() -> Path:
    """The folder of published descriptor files."""
    folder = os.environ.get("FIELDMARK_INTEROP_DIR")
    if not folder:
        pytest.skip("FIELDMARK_INTEROP_DIR names no folder of published descriptor files")
    return Path(folder)
