"""What every test gets: a home of its own, an environment without settings, and no network but loopback.

`pytest` runs everything in a process for each core; `pytest PATH`, or with pytest-xdist absent, in this one.
`pytest -m fast` runs `tests/unit` without what is in `SLOW`, and does not import anything else.
"""

import ipaddress
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOM_IN_MEMORY = 6 * 2**30
"""Bytes; a whole run leaves about a sixth of it."""
UNIT = Path(__file__).parent / "unit"
SLOW = (
    "agents/resolve/test_estimating.py",
    "app/by_method/test_every_method_labels.py",
    "app/pools",
    "app/test_learned_hub.py",
    "aviary",
    "cache/byte_store",
    "cache/redis_store",
    "cache/test_locks_on_sqlite_files.py",
    "cache/vector_store",
    "cli",
    "evals/demo",
    "evals/methods",
    "evals/owners",
    "evals/report",
    "evals/table",
    "evals/worlds",
    "studio",
    "test_dependencies.py",
    "test_docs.py",
    "tools/clip",
    "tools/concepts/heads",
    "tools/llm/test_llm_faults.py",
    "tools/llm/test_llm_kill.py",
    "tools/llm/serving/test_vllm.py",
)
"""Below `tests/unit`: runs the bundled model, starts processes, fits or renders, or draws many samples."""


if "PYTEST_XDIST_WORKER" in os.environ:  # each process has one core; OpenMP reads this when torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")


class OutsideNetworkError(Exception):
    """A test tried to reach another machine."""


def is_fast(path: Path) -> bool:
    """Whether the tests of a file, or some of a folder, are quick."""
    if UNIT in path.parents:
        return not any(path.is_relative_to(UNIT / slow) for slow in SLOW)
    return path in (UNIT, *UNIT.parents)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the whole suite out over the cores: a file is too little to pay for starting processes."""
    _in_memory()
    everything = config.args_source is not pytest.Config.ArgsSource.ARGS
    if (
        everything
        and getattr(config.option, "numprocesses", 0) is None
        and "PYTEST_XDIST_WORKER" not in os.environ
    ):
        config.option.numprocesses = "auto"
        config.option.dist = "loadfile"  # what a module shares is made once
        # In the order of folders, the long ones (browser, e2e) first: no process waits for one in the end.
        config.option.loadscopereorder = False


def _in_memory() -> None:
    """Lay the folders of tests into memory where there is room: what they flush, a disk would wait for."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave unread what `-m fast` does not run: importing all tests takes as long as running these."""
    return True if config.option.markexpr == "fast" and not is_fast(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tests."""
    for item in items:
        if is_fast(item.path):
            item.add_marker("fast")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors in one thread: threads that wait for each other cost more than they bring."""
    import torch  # not at the top: most tests never need it

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh `FIELDMARK_HOME`; every other setting of this machine is out of sight."""
    for name in list(os.environ):
        if name.startswith(("FIELDMARK_", "OPENAI_")) and name != "FIELDMARK_INTEROP_DIR":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("FIELDMARK_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # theirs may hold a settings file
    return home


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses every connection and every name look-up that would leave this machine."""

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                _refuse_outside(address[0])
            return real(self, address)

        return connect

    real_look_up = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        _refuse_outside(host)
        return real_look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def command_line(tmp_path: Path) -> Any:
    """A `CommandLine` in a folder of its own, with nothing configured."""
    from tests.command_line import CommandLine  # not at the top: it imports every command

    folder = tmp_path / "here"
    folder.mkdir()
    return CommandLine(folder, tmp_path / "home", {})


def _refuse_outside(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        inside = ipaddress.ip_address(str(name).split("%")[0]).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise OutsideNetworkError(f"A test tried to reach {name!r}; only loopback is open.")
