"""Opens a graph's checkpoint, and makes nothing from it but the types that the graph holds."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import StateSnapshot
from pydantic import BaseModel, ValidationError

from fieldmark.agents.shared.postgres import server_checkpoint, server_errors
from fieldmark.cache.server import ServerAddress
from fieldmark.errors import FieldmarkError, RunError
from fieldmark.reading import NotRegularError, check_regular
from fieldmark.tools.runs.checkpoint_name import read_thread

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


@dataclass(frozen=True)
class OpenCheckpoint:
    """A checkpoint while a run goes on.

    Attributes:
        saver: LangGraph's saver.
        path: The file in the run's folder, for errors.
        prefix: What sets the run's threads apart from those of other runs in the same database.
    """

    saver: BaseCheckpointSaver[Any]
    path: Path
    prefix: str = ""

    def config(self, thread: str, *, recursion_limit: int = 100) -> RunnableConfig:
        """How a graph is run on one thread of this checkpoint."""
        return {"configurable": {"thread_id": self.prefix + thread}, "recursion_limit": recursion_limit}

    async def forget(self, thread: str) -> None:
        """Remove what one thread holds."""
        await self.saver.adelete_thread(self.prefix + thread)


@asynccontextmanager
async def open_checkpoint(
    path: Path,
    *,
    holds: Sequence[type],
    server: ServerAddress | None = None,
    before: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[OpenCheckpoint]:
    """Open a checkpoint for as long as a run goes on.

    LangGraph's default would import and call whatever a tampered checkpoint names. Here, anything but the
    types given comes back as the bare data that it holds, which no state takes for its own.

    Args:
        path: The file; made where there is none, unless a server is given.
        holds: Every type that the graph's state and its questions consist of.
        server: A PostgreSQL server for the checkpoints of new runs; a run stays where it began.
        before: Awaited before each save: for what a checkpoint names and must be kept by then.

    Raises:
        RunError: It is damaged, or cannot be written, or lies at a server and none is given.
    """
    serde = Sealed(JsonPlusSerializer(allowed_msgpack_modules=holds), path)
    prefix = read_thread(path, new=server is not None)
    opened = _in_file(path, fast=before is not None) if prefix is None else server_checkpoint(server, path)
    async with opened as saver:
        saver.serde = serde
        if before is not None:
            _wait_first(saver, before)
        yield OpenCheckpoint(saver, path, prefix or "")


@asynccontextmanager
async def _in_file(path: Path, *, fast: bool) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    try:
        with suppress(FileNotFoundError):
            check_regular(path)
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            if fast:
                # Nothing is lost by a kill; a power cut may lose the last checkpoints, not what they name.
                await saver.conn.execute("PRAGMA synchronous = NORMAL")
            yield saver
    except NotRegularError as error:
        raise damaged(path) from error
    except sqlite3.OperationalError as error:
        raise RunError(
            f"The checkpoint {str(path)!r} cannot be used: {error}.",
            hint="Make room on the disk or repair it, then go on with the run: what was answered is kept.",
        ) from error
    except sqlite3.Error as error:
        raise damaged(path) from error


def _wait_first(saver: BaseCheckpointSaver[Any], before: Callable[[], Awaitable[None]]) -> None:
    """Have a saver await something before it saves; LangGraph calls it by these two names."""
    put, put_writes = saver.aput, saver.aput_writes

    @wraps(put)
    async def aput(*given: Any, **named: Any) -> RunnableConfig:
        await before()
        return await put(*given, **named)

    @wraps(put_writes)  # LangGraph looks at its arguments
    async def aput_writes(*given: Any, **named: Any) -> None:
        await before()
        await put_writes(*given, **named)

    saver.aput, saver.aput_writes = aput, aput_writes


async def earlier_state(graph: Any, config: RunnableConfig, path: Path) -> StateSnapshot:
    """Where an earlier process left a graph.

    Raises:
        RunError: The checkpoint is damaged.
    """
    try:
        return await graph.aget_state(config)
    except (FieldmarkError, sqlite3.Error, *server_errors()):
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
