"""Starts commands as processes that need not load torch once more: they are forked off one that has.

So do the workers that a studio starts which was itself started in this way.
"""

import atexit
import multiprocessing
import multiprocessing.process
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

READ_AT_IMPORT = ("HF_", "TORCH", "OMP_", "MKL_")
"""What the preloaded libraries read of the environment as they are imported."""


class WarmProcess:
    """A command in a process of its own, with what tests use of `subprocess.Popen`.

    Args:
        arguments: What follows `fieldmark`.
        cwd: Where it runs.
        env: Its whole environment.
        what: What it does with its arguments: by default, our command with these.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        what: Callable[[list[str]], None] | None = None,
    ) -> None:
        (told, out), (complained, err) = os.pipe(), os.pipe()
        self.stdout, self.stderr = (os.fdopen(end, encoding="utf-8") for end in (told, complained))
        self._process = _forked(what or command, list(arguments), cwd=cwd, env=env, ends={1: out, 2: err})

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int:
        """How it ended; minus the signal's number where one ended it."""
        assert self._process.exitcode is not None
        return self._process.exitcode

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("fieldmark", timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Everything it said, once it has ended."""
        with ThreadPoolExecutor(2) as readers:
            said = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            out, err = (each.result() for each in said)
        self.stdout.close()
        self.stderr.close()
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class WarmWorker:
    """What a studio starts by `python -m MODULE ARGUMENTS`, with what it uses of `subprocess.Popen`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: IO[Any],
        env: Mapping[str, str],
        start_new_session: bool,
    ) -> None:
        assert (stdin, stdout, start_new_session) == (subprocess.PIPE, subprocess.PIPE, True)
        _python, _m, module, *arguments = command
        (task, given), (told, out) = os.pipe(), os.pipe()
        self.stdin, self.stdout = os.fdopen(given, "wb"), os.fdopen(told, "rb")
        ends = {0: task, 1: out, 2: os.dup(stderr.fileno())}
        self._process = _forked(_module, [module, *arguments], cwd=Path.cwd(), env=env, ends=ends)
        multiprocessing.process._children.discard(self._process)  # type: ignore[attr-defined]  # it may outlive this one

    def wait(self) -> None:
        """Wait for its end."""
        self._process.join()


def warm_context() -> ForkServerContext:
    """Processes that have loaded already what takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])  # counts only until the first of them was started
    return context


def _forked(
    what: Callable[[list[str]], None],
    arguments: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    ends: Mapping[int, int],
) -> ForkServerProcess:
    """Have a new process do something, with these ends as its files; they are closed here."""
    files = {number: Connection(end) for number, end in ends.items()}
    process = warm_context().Process(target=_begin, args=(what, arguments, str(cwd), dict(env), files))
    process.start()
    for each in files.values():
        each.close()
    return process


def _begin(
    what: Callable[[list[str]], None],
    arguments: list[str],
    cwd: str,
    env: dict[str, str],
    files: dict[int, Connection],
) -> None:
    for number, end in files.items():
        os.dup2(end.fileno(), number)
        end.close()
    # What this process forks comes off the same server: it would start one of its own, and load all anew.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined]
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        what(arguments)
    finally:  # a forked process leaves these out
        atexit._run_exitfuncs()


def command(arguments: list[str]) -> None:
    """Do what `fieldmark` does with these arguments."""
    from fieldmark.app.jobs import job
    from fieldmark.cli import main

    job.subprocess = SimpleNamespace(Popen=WarmWorker, PIPE=subprocess.PIPE)  # type: ignore[assignment]
    sys.argv = ["fieldmark", *arguments]
    main()


def script(arguments: list[str]) -> None:
    """Do what `python FILE` does."""
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).parent))
    runpy.run_path(arguments[0], run_name="__main__")


def _module(arguments: list[str]) -> None:
    os.setsid()
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
