"""What the tests of the stores share: another user's eyes, a small disk, other processes."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_NOBODY = 65534


@pytest.fixture
def ordinary_user() -> Generator[Path]:
    """A folder of its own for a user to whom file modes apply, as they do not to root."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    before = os.geteuid()
    if before == 0:
        os.chown(folder, _NOBODY, -1)
        os.seteuid(_NOBODY)
    try:
        yield folder
    finally:
        if before == 0:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)
        shutil.rmtree(folder)


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """`with full_disk(n):` no file can grow past n bytes: writes fail part way, as on a full disk."""

    @contextmanager
    def limited(most_bytes: int) -> Generator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def start() -> Generator[Callable[..., subprocess.Popen[str]]]:
    """`start(code, *args)`: run Python code in another process, its output piped."""
    running: list[subprocess.Popen[str]] = []

    def begin(code: str, *args: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
