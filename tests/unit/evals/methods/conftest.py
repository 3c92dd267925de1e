"""Benches for every test of a method, and small tensors in one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.unit.evals.methods.made_up_bench import Benches


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_bench(tmp_path: Path) -> Benches:
    """Makes benches on the made-up world."""
    return Benches(tmp_path)
