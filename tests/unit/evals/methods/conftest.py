"""Benches for every test of a method, and small tensors in one thread."""

from pathlib import Path

import pytest

from tests.unit.evals.methods.made_up_bench import Benches


@pytest.fixture(autouse=True)
def in_one_thread(one_thread: None) -> None:
    """See `one_thread`."""


@pytest.fixture
def make_bench(tmp_path: Path) -> Benches:
    """Makes benches on the made-up world."""
    return Benches(tmp_path)
