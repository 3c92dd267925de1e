"""Opens a graph's checkpoint, and makes nothing from it but the types that the graph holds."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

Saver = TypeVar("Saver", bound=AsyncSqliteSaver)


@asynccontextmanager
async def open_checkpoint(path: Path, kind: type[Saver], *, holds: Sequence[type]) -> AsyncIterator[Saver]:
    """Open a checkpoint for as long as a run goes on.

    LangGraph's default would import and call whatever a tampered file names. Here, anything but the types
    given comes back as the bare data that the file holds, which no state takes for its own.

    Args:
        path: The file; made where there is none.
        kind: The saver to open it with: `AsyncSqliteSaver`, or a class derived from it.
        holds: Every type that the graph's state and its questions consist of.
    """
    async with kind.from_conn_string(str(path)) as saver:
        saver.serde = JsonPlusSerializer(allowed_msgpack_modules=holds)
        yield saver  # pyright: ignore[reportReturnType]  # LangGraph types it as the base class
