"""Benches for every test of a method."""

from pathlib import Path

import pytest

from tests.unit.evals.methods.made_up_bench import Benches


@pytest.fixture
def make_bench(tmp_path: Path) -> Benches:
    """Makes benches on the made-up world."""
    return Benches(tmp_path)
