"""Names a process so that another one which gets its number later is not taken for it."""

import subprocess
import sys
from pathlib import Path

from fieldmark.reading import read_text

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
_MOST = 4096
_STATE, _STARTED = 0, 19
"""Places in `/proc/PID/stat` behind the name of the program."""


def identity_of(pid: int) -> str | None:
    """Which process has a number now: when it was started, and since which start of the machine.

    Returns:
        None where there is no such process, or it has ended and only its parent has not noticed.
    """
    if sys.platform == "linux":
        try:
            # The program's name may hold spaces and brackets; behind the last bracket stand plain fields.
            # A short read: the kernel refuses a buffer of the usual size for the second of these files.
            fields = read_text(_PROC / str(pid) / "stat", most=_MOST).rpartition(")")[2].split()
            boot = read_text(_BOOT, most=_MOST).strip()
        except (OSError, ValueError):
            return None
        return None if fields[_STATE] in "ZX" else f"{boot}:{fields[_STARTED]}"
    said = subprocess.run(  # noqa: S603 (a number)
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(said) < 2 or said[0].startswith("Z") else said[1].strip()
