"""Opens all vector stores in a folder, each with the width it was made with."""

from collections.abc import Iterator
from pathlib import Path

from fieldmark.cache._sqlite import connect, translated
from fieldmark.cache.vectorstore import DiskVectorStore, open_vector_store
from fieldmark.errors import CacheError

_INDEX = "index.sqlite"


def open_vector_stores(parent: Path) -> Iterator[DiskVectorStore]:
    """Open every vector store in the folders of `parent`, in the order of names; the caller closes them.

    Raises:
        CacheError: One of them cannot be read, or is no vector store.
    """
    for path in sorted(parent.glob(f"*/{_INDEX}")):
        yield open_vector_store(path.parent, width=_width(path))


def _width(path: Path) -> int:
    database = connect(path)
    try:
        with translated(path.parent):
            row = database.execute("SELECT value FROM meta WHERE name = 'width'").fetchone()
    finally:
        database.close()
    width = row[0] if row else None
    if type(width) is not int or width < 1:
        raise CacheError(
            f"The vector store at {path.parent} does not state its width.",
            hint="Move it aside; vectors are computed again when they are needed.",
        )
    return width
