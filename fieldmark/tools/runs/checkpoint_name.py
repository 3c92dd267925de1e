"""The file that stands in a folder for a checkpoint that lies at a server, and holds its name there."""

import secrets
from pathlib import Path

from fieldmark.cache.folders import write_whole
from fieldmark.errors import RunError
from fieldmark.reading import NotRegularError, read_text

_SUFFIX = ".postgres"


def has_checkpoint(path: Path) -> bool:
    """Whether there is a checkpoint, in the file `path` or at a server."""
    return path.is_file() or stands_for(path).is_file()


def stands_for(path: Path) -> Path:
    """The file that stands for the checkpoint `path` where it lies at a server."""
    return path.with_suffix(_SUFFIX)


def read_thread(path: Path, *, new: bool) -> str | None:
    """What sets a run's threads apart in the database; None where the run has no checkpoint at a server.

    Args:
        path: The checkpoint's file in the run's folder, if it had one.
        new: Whether a run without any checkpoint shall have it at a server.

    Raises:
        RunError: The file that names it is damaged.
    """
    if path.exists():  # a run stays where it began
        return None
    place = stands_for(path)
    try:
        name = read_text(place, most=100).strip()
    except FileNotFoundError:
        if not new:
            return None
        name = secrets.token_hex(16)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, (name.encode(),))
    except (NotRegularError, ValueError) as error:
        raise _no_name(place) from error
    if len(name) != 32 or set(name) - set("0123456789abcdef"):
        raise _no_name(place)
    return f"{name}/"


def _no_name(place: Path) -> RunError:
    return RunError(
        f"{place} does not name a checkpoint.",
        hint="Move it aside and go on, or begin anew: what was answered and encoded comes from the cache.",
    )
