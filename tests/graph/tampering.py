"""Plants a call in a checkpoint, as whoever can write the file could."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import ormsgpack

from fieldmark.tools.runs.checkpoint_name import stands_for


def plant_call(checkpoint: Path, channel: str, *, proof: Path) -> None:
    """Have every state in a checkpoint name `os.mkdir(proof)` in the place of a value."""
    call = ormsgpack.packb(("os", "mkdir", str(proof)))
    if stands_for(checkpoint).exists():
        _plant_at_server(stands_for(checkpoint).read_text(), channel, ormsgpack.packb(ormsgpack.Ext(0, call)))
        return
    with closing(sqlite3.connect(checkpoint)) as database, database:
        rows = database.execute("select rowid, checkpoint from checkpoints").fetchall()
        assert rows
        for row, blob in rows:
            # The checksum before the value is no signature: whoever tampers can write one.
            held = ormsgpack.unpackb(blob[16:], ext_hook=ormsgpack.Ext)
            held["channel_values"][channel] = ormsgpack.Ext(0, call)
            sealed = _sealed(ormsgpack.packb(held))
            database.execute("update checkpoints set checkpoint = ? where rowid = ?", (sealed, row))


def psycopg_connection() -> Any:
    """A connection of one's own to the server of the settings."""
    import psycopg

    return psycopg.connect(os.environ["FIELDMARK_CHECKPOINTS"])


def _plant_at_server(name: str, channel: str, value: bytes) -> None:
    """There, small values stand in the checkpoint itself, and a value beside it wins over them."""
    with psycopg_connection() as database:
        planted = database.execute(
            """
            insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
            select distinct thread_id, checkpoint_ns, %(channel)s, version, 'msgpack', %(blob)s::bytea
            from checkpoints, jsonb_extract_path_text(checkpoint, 'channel_versions', %(channel)s) as version
            where thread_id like %(threads)s and version is not null
            on conflict (thread_id, checkpoint_ns, channel, version)
            do update set type = excluded.type, blob = excluded.blob
            """,
            {"channel": channel, "blob": _sealed(value), "threads": name + "/%"},
        )
        assert planted.rowcount


def _sealed(data: bytes) -> bytes:
    return hashlib.sha256(b"msgpack\n" + data).digest()[:16] + data
