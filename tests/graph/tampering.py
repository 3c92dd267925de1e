"""Plants a call in a checkpoint, as whoever can write the file could."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import ormsgpack


def plant_call(checkpoint: Path, channel: str, *, proof: Path) -> None:
    """Have every state in a checkpoint name `os.mkdir(proof)` in the place of a value."""
    call = ormsgpack.packb(("os", "mkdir", str(proof)))
    with closing(sqlite3.connect(checkpoint)) as database, database:
        rows = database.execute("select rowid, checkpoint from checkpoints").fetchall()
        assert rows
        for row, blob in rows:
            # The checksum before the value is no signature: whoever tampers can write one.
            held = ormsgpack.unpackb(blob[16:], ext_hook=ormsgpack.Ext)
            held["channel_values"][channel] = ormsgpack.Ext(0, call)
            data = ormsgpack.packb(held)
            sealed = hashlib.sha256(b"msgpack\n" + data).digest()[:16] + data
            database.execute("update checkpoints set checkpoint = ? where rowid = ?", (sealed, row))
