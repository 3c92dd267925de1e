"""Opens a graph's checkpoint, and makes nothing from it but the types that the graph holds."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import StateSnapshot
from pydantic import BaseModel, ValidationError

from fieldmark.errors import FieldmarkError, RunError
from fieldmark.reading import NotRegularError, check_regular

Saver = TypeVar("Saver", bound=AsyncSqliteSaver)
State = TypeVar("State", bound=BaseModel)
_DIGEST_BYTES = 16


class Sealed:
    """Puts a checksum before each value that a checkpoint holds, and refuses a value that lost its own.

    The checksum finds damage; it is no signature.
    """

    def __init__(self, inner: JsonPlusSerializer, path: Path) -> None:
        self._inner = inner
        self._path = path

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The value's kind and bytes."""
        kind, data = self._inner.dumps_typed(obj)
        return kind, _digest(kind, data) + data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value again.

        Raises:
            RunError: It is not what was written.
        """
        kind, sealed = data
        if not isinstance(sealed, bytes) or sealed[:_DIGEST_BYTES] != _digest(kind, sealed[_DIGEST_BYTES:]):
            raise damaged(self._path)
        return self._inner.loads_typed((kind, sealed[_DIGEST_BYTES:]))


@asynccontextmanager
async def open_checkpoint(path: Path, kind: type[Saver], *, holds: Sequence[type]) -> AsyncIterator[Saver]:
    """Open a checkpoint for as long as a run goes on.

    LangGraph's default would import and call whatever a tampered file names. Here, anything but the types
    given comes back as the bare data that the file holds, which no state takes for its own.

    Args:
        path: The file; made where there is none.
        kind: The saver to open it with: `AsyncSqliteSaver`, or a class derived from it.
        holds: Every type that the graph's state and its questions consist of.

    Raises:
        RunError: It is damaged, or cannot be written.
    """
    try:
        with suppress(FileNotFoundError):
            check_regular(path)
        async with kind.from_conn_string(str(path)) as saver:
            saver.serde = Sealed(JsonPlusSerializer(allowed_msgpack_modules=holds), path)
            yield saver  # pyright: ignore[reportReturnType]  # LangGraph types it as the base class
    except NotRegularError as error:
        raise damaged(path) from error
    except sqlite3.OperationalError as error:
        raise RunError(
            f"The checkpoint {str(path)!r} cannot be used: {error}.",
            hint="Make room on the disk or repair it, then go on with the run: what was answered is kept.",
        ) from error
    except sqlite3.Error as error:
        raise damaged(path) from error


async def earlier_state(graph: Any, config: RunnableConfig, path: Path) -> StateSnapshot:
    """Where an earlier process left a graph.

    Raises:
        RunError: The checkpoint is damaged.
    """
    try:
        return await graph.aget_state(config)
    except (FieldmarkError, sqlite3.Error):
        raise
    except Exception as error:  # what LangGraph reads beside the sealed values may be anything
        raise damaged(path) from error


def state_of(values: Any, kind: type[State], path: Path) -> State:
    """The state that a checkpoint holds.

    Raises:
        RunError: It is none: the checkpoint was tampered with, or written by another version.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise damaged(path) from error


def damaged(path: Path) -> RunError:
    """The error to raise where a checkpoint is not what was written."""
    return RunError(
        f"The checkpoint {str(path)!r} is damaged, or of another version.",
        hint="Move it aside and go on, or begin anew: what was answered and encoded comes from the cache.",
    )


def _digest(kind: str, data: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\n" + data).digest()[:_DIGEST_BYTES]
