"""Checkpoints in PostgreSQL: for run folders on disks where SQLite cannot lock, and for many machines."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver

from fieldmark.cache.server import ServerAddress, read_server
from fieldmark.errors import RunError, SettingsError

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg import AsyncConnection
    from psycopg.rows import DictRow

SETTING = "FIELDMARK_CHECKPOINTS"
_MADE = "SELECT max(v) AS version FROM checkpoint_migrations"
_LOCK = 0x466965_6C646D61
"""Number of the lock under which tables are made; any number that nobody else takes would do."""
_PAUSE_S, _CONNECT_S = 0.05, 10
_TLS_OPTIONS = {"sslmode", "sslrootcert", "sslcert", "sslkey"}


def read_postgres(url: str) -> ServerAddress:
    """Read the address of a PostgreSQL server.

    Raises:
        SettingsError: It is none.
    """
    return read_server(
        url,
        setting=SETTING,
        schemes={"postgresql": 5432, "postgres": 5432},
        options=_TLS_OPTIONS,
        example="postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full",
    )


@asynccontextmanager
async def server_checkpoint(
    server: ServerAddress | None, path: Path
) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Open a checkpoint at a server, and make its tables where there are none.

    Raises:
        RunError: No server is given, or it cannot be used.
        SettingsError: The packages that it needs are not installed.
    """
    if server is None:
        raise RunError(
            f"The checkpoint of {path.parent} lies at a PostgreSQL server, and none is set.",
            hint=f"Set {SETTING} to its address, as when the run began.",
        )
    try:
        import psycopg
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg.conninfo import make_conninfo
    except ImportError as error:
        raise SettingsError(
            f"{SETTING} names a PostgreSQL server, and what it needs is not installed.",
            hint='Install it: pip install "fieldmark[postgres]"',
        ) from error
    try:
        told = make_conninfo(server.url, connect_timeout=_CONNECT_S, application_name="fieldmark")
        async with AsyncPostgresSaver.from_conn_string(told) as saver:
            await _make_tables(cast("AsyncConnection[DictRow]", saver.conn), saver)
            yield saver
    except psycopg.Error as error:
        said = " ".join(server.hide(str(error)).split()).rstrip(".?")
        raise RunError(
            f"The checkpoint at {server.shown} cannot be used: {said}.",
            hint=f"Check {SETTING} and the server, then go on with the run: what was answered is kept.",
        ) from None


def server_errors() -> tuple[type[Exception], ...]:
    """What a server's client raises, where it is in use."""
    client = sys.modules.get("psycopg")
    return (client.Error,) if client is not None else ()


async def _make_tables(connection: "AsyncConnection[DictRow]", saver: "AsyncPostgresSaver") -> None:
    """Make the tables, one process at a time.

    The lock is tried for and not waited for: LangGraph makes indexes "concurrently", which waits for whoever
    waits, and both would wait for ever.
    """
    from psycopg import errors

    with suppress(errors.UndefinedTable):
        made = await (await connection.execute(_MADE)).fetchone()
        if made and made["version"] == len(saver.MIGRATIONS) - 1:
            return
    while True:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s) AS ours", (_LOCK,))).fetchone()
        if row and row["ours"]:
            break
        await asyncio.sleep(_PAUSE_S)
    try:
        await saver.setup()
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
