"""Starts a local vLLM server as a process of its own, waits until it is healthy, and stops it again."""

import contextlib
import http.client
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from fieldmark.errors import InputError, ServerError
from fieldmark.tools.llm.serving.last_words import why_it_ended

logger = logging.getLogger(__name__)

STOP_S = 15.0
"""Seconds between asking the server to end and ending it."""
LOCAL_KEY = "no-key"
"""The key that commands get for the local server; it takes any."""

_KEPT_LINES = 400
"""A traceback of each of vLLM's processes: the first says why."""
_SHOWN_LINES = 15
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what is bound there
# Runs apart from us and outlives a kill -9 of us: end of input without "done" means that we are gone.
_WATCH = """
import os, signal, sys, time
group, patience = int(sys.argv[1]), float(sys.argv[2])
if sys.stdin.buffer.read() != b"done":
    try:
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            time.sleep(0.1)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
"""


class Server:
    """A server process with all its children; made by `serve`.

    Attributes:
        model: The model it serves.
        base_url: Base URL for OpenAI clients, ending in /v1.
    """

    def __init__(
        self, command: Sequence[str], model: str, url: str, on_line: Callable[[str], None] | None
    ) -> None:
        self.model = model
        self.base_url = f"{url}/v1"
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._on_line = on_line
        self._swept = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is the user's own
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # a group of its own: no Ctrl-C, and its children go with it
            )
        except OSError as error:
            raise ServerError(
                f"{command[0]} cannot be started ({error.strerror or error}).",
                hint="Check that the file is a program for this machine.",
            ) from error
        try:
            self._watcher = subprocess.Popen(  # noqa: S603 - our own few lines
                [sys.executable, "-I", "-S", "-c", _WATCH, str(self._process.pid), str(STOP_S)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # else it would hold our own output open after our end
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._reader = threading.Thread(target=self._read, name="vllm-output", daemon=True)
            self._reader.start()
        except BaseException:
            self._signal(signal.SIGKILL)
            raise

    @property
    def returncode(self) -> int | None:
        """Its exit status; `None` while it runs."""
        status = self._process.poll()
        if status is not None:
            self._sweep()
        return status

    def last_lines(self) -> str:
        """The end of what it printed."""
        return "\n".join(list(self._lines)[-_SHOWN_LINES:])

    def stop(self) -> None:
        """Ends the server and its children: politely first, then for good."""
        try:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        finally:  # also where a second Ctrl-C cut the wait short
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._sweep()
            self._reader.join(2)

    def died(self, doing: str) -> ServerError:
        """The error for a server that ended by itself."""
        self._reader.join(2)  # its last words may still be on the way
        cause, advice = why_it_ended(tuple(self._lines))
        if cause in self.last_lines():
            cause = ""
        return ServerError(
            f"The vLLM server for {self.model} ended with status {self.returncode} while {doing}. "
            f"Its last lines:\n{self.last_lines() or '(none)'}\n" + (f"It says: {cause}\n" if cause else ""),
            hint=advice,
        )

    def _sweep(self) -> None:
        """Ends what the server left behind, once: later its process id may belong to another process."""
        self._signal(signal.SIGKILL)
        self._swept = True
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self._watcher.communicate(b"done", timeout=5)

    def _signal(self, number: int) -> None:
        if self._swept:
            return
        # Gone already, or (macOS) only a zombie is left of the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        for line in output:
            self._lines.append(line.rstrip())
            if self._on_line is not None:
                try:
                    self._on_line(line.rstrip())
                except Exception:  # the pipe must be read on, or the server would stand still
                    logger.exception("The server's output is no longer shown.")
                    self._on_line = None


@contextmanager
def serve(
    model: str,
    *,
    options: Sequence[str] = (),
    binary: str = "vllm",
    host: str = "127.0.0.1",
    port: int = 0,
    health_timeout_s: float = 1800.0,
    on_line: Callable[[str], None] | None = None,
) -> Iterator[Server]:
    """Serves a model while the context is open.

    The server is stopped however the context is left, and a small watching process stops it even where this
    process is killed with no time to do so.

    Args:
        model: Hub name or folder of the model.
        options: Further arguments of `vllm serve`.
        binary: The vLLM program.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        health_timeout_s: The most seconds until it must be healthy; the first start may download weights.
        on_line: Called with each line it prints, from another thread.

    Yields:
        The healthy server.

    Raises:
        InputError: If the options set the address, which has arguments of its own.
        ServerError: If it cannot be started, dies, or is not healthy in time.
    """
    program = shutil.which(binary)
    if program is None:
        raise ServerError(
            f"The program {binary} is not installed.",
            hint='Install it with: pip install "fieldmark[vllm]" (it needs a GPU).',
        )
    port = _free_port(host, port)
    reach = _ANY_HOST.get(host, host)
    url = f"http://[{reach}]:{port}" if ":" in reach else f"http://{reach}:{port}"
    command = serve_arguments(program, model, host=host, port=port, options=options)
    logger.info("Starting %s", " ".join(command))
    server = Server(command, model, url, on_line)
    try:
        _wait_until_healthy(server, reach, port, health_timeout_s)
        yield server
    finally:
        server.stop()


def serve_arguments(
    binary: str, model: str, *, host: str, port: int, options: Sequence[str]
) -> tuple[str, ...]:
    """The command that starts a server.

    Raises:
        InputError: If the options set the address, which has arguments of its own, or the model has no name.
    """
    if not model.strip() or model.startswith("-"):
        raise InputError(
            f"{model!r} is no model name.", hint="Give a hub name such as Qwen/Qwen3-8B, or a folder."
        )
    for option in options:
        if option.split("=")[0] in ("--host", "--port"):
            raise InputError(f"{option} is set by Fieldmark.", hint="Use Fieldmark's own option for it.")
    place = ("--host", host, *(("--port", str(port)) if port else ()))
    return (binary, "serve", model, *place, *options)


def run_vllm(
    model: str,
    *,
    command: Sequence[str] | None = None,
    options: Sequence[str] = (),
    binary: str = "vllm",
    host: str = "127.0.0.1",
    port: int = 0,
    health_timeout_s: float = 1800.0,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    on_ready: Callable[[Server], None] | None = None,
) -> int:
    """Serves a model while a command runs, or until interrupted.

    Args:
        model: Hub name or folder of the model.
        command: A command to run against the server, with `OPENAI_BASE_URL` and `OPENAI_API_KEY` set; `None`
            to serve until Ctrl-C.
        options: Further arguments of `vllm serve`.
        binary: The vLLM program.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        health_timeout_s: The most seconds until it must be healthy.
        environment: More environment variables for the command.
        on_line: Called with each line the server prints, from another thread.
        on_ready: Called once, with the healthy server.

    Returns:
        The command's exit status (128 + n where signal n ended it); 0 after Ctrl-C without a command.

    Raises:
        InputError: If the arguments cannot be used.
        ServerError: If the server does not come up, or goes away while nothing but it is waited for.
    """
    serving = serve(
        model,
        options=options,
        binary=binary,
        host=host,
        port=port,
        health_timeout_s=health_timeout_s,
        on_line=on_line,
    )
    with serving as server:
        try:
            if on_ready is not None:
                on_ready(server)
            if command is not None:
                return _run(command, server, environment or {})
            while server.returncode is None:
                time.sleep(0.2)
            raise server.died("serving")
        except KeyboardInterrupt:
            return 0 if command is None else 130


def _run(command: Sequence[str], server: Server, environment: Mapping[str, str]) -> int:
    """Runs the command to its end; Ctrl-C reaches it by itself, and it gets time to save."""
    variables = {
        **os.environ,
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_API_KEY": LOCAL_KEY,
        **environment,
    }
    try:
        process = subprocess.Popen(command, env=variables)  # noqa: S603 - the command is the user's own
    except OSError as error:
        raise InputError(
            f"{command[0]} cannot be started ({error.strerror or error}).", hint="Check the command."
        ) from error
    noticed = False
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(0.2)
                break
            if server.returncode is not None and not noticed:
                noticed = True
                logger.warning("%s", server.died("the command runs"))
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return status if status >= 0 else 128 - status


def _free_port(host: str, port: int) -> int:
    """Finds a port, or checks that the given one is free: another's health must not pass for ours."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise ServerError(
            f"Nothing can listen on {host}:{port} ({getattr(error, 'strerror', None) or error}).",
            hint="Stop what uses it, or choose another port.",
        ) from error


def _wait_until_healthy(server: Server, host: str, port: int, timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    pause = 0.05
    while True:
        if server.returncode is not None:
            raise server.died("starting")
        if _is_healthy(host, port):
            return
        if time.monotonic() >= until:
            raise ServerError(
                f"The vLLM server for {server.model} was not healthy within {timeout_s:g} s. "
                f"Its last lines:\n{server.last_lines() or '(none)'}\n",
                hint="Allow more time for it; the first start downloads the weights.",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)  # direct: no proxy for this machine
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
