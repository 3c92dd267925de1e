"""Made-up encoders and the folder of published files, shared by the conformance tests."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors in one thread: threads that wait for each other cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
