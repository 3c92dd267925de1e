"""A folder with entries, and a row that would run code if anything unpickled it."""

import pickle
from pathlib import Path

import pytest

from fieldmark.cache.bytestore import open_byte_store
from tests.unit.cache.byte_store.rows import TAG, Payload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the entries k0 … k4."""
    with open_byte_store(tmp_path / "answers") as store:
        for i in range(5):
            store.put(f"k{i}", b"value %d" % i, schema=TAG)
    return tmp_path / "answers"


@pytest.fixture
def bomb(tmp_path: Path) -> bytes:
    return pickle.dumps(Payload(tmp_path / "ran"))


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path):
    yield
    assert not (tmp_path / "ran").exists()
