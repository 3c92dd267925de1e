"""A folder with vectors."""

from pathlib import Path

import pytest

from fieldmark.cache.vectorstore import open_vector_store
from tests.unit.cache.vector_store.rows import (
    KEYS,
    ROWS,
    WIDTH,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ROWS under KEYS."""
    with open_vector_store(tmp_path / "vectors", width=WIDTH) as store:
        store.put_many(KEYS, ROWS)
    return tmp_path / "vectors"
