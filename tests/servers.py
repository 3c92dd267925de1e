"""Real servers for tests, each a child process in a folder of its own, on a free port of loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

START_S = 60.0


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class _Child:
    """A server that can be killed and started again on the same port and files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def _begin(self, command: Sequence[str], ready: Callable[[], bool], *, user: int | None = None) -> None:
        log = (self.folder / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                user=user,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            )
        until = time.monotonic() + START_S
        while not ready():
            said = (self.folder / "server.log").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, f"the server ended: {said}"
            assert time.monotonic() < until, f"the server does not start: {said}"
            time.sleep(0.05)

    def start(self) -> Self:
        raise NotImplementedError

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGKILL)


class RedisServer(_Child):
    """Redis that writes everything to its disk before it answers.

    Args:
        folder: Where its files lie.
        password: What it asks for, if anything.
        tls: Certificate, key and authority: then it speaks TLS alone.
        settings: More of its settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        password: str = "",
        tls: tuple[Path, Path, Path] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("There is no redis-server here (apt-get install redis-server).")
        pytest.importorskip("redis", reason="redis-py is not installed.")
        super().__init__(folder)
        self.password, self._tls, self._settings = password, tls, settings or {}

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        if self._tls:
            return f"rediss://{login}127.0.0.1:{self.port}/0?ssl_ca_certs={self._tls[2]}"
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        told = {
            "bind": "127.0.0.1",
            "port": "0" if self._tls else str(self.port),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            **({"requirepass": self.password} if self.password else {}),
            **self._settings,
        }
        if self._tls:
            certificate, key, authority = map(str, self._tls)
            told |= {
                "tls-port": str(self.port),
                "tls-cert-file": certificate,
                "tls-key-file": key,
                "tls-ca-cert-file": authority,
                "tls-auth-clients": "no",
            }
        options = [part for name, value in told.items() for part in (f"--{name}", value)]
        self._begin(["redis-server", *options], lambda: listens(self.port))
        return self

    def client(self) -> "redis.Redis":  # noqa: F821 - imported where it is there
        """A client of one's own, for looking and tampering."""
        import redis

        return redis.Redis.from_url(self.url)


def postgres_programs() -> Path:
    """The folder with Debian's newest initdb and postgres; without one the test is skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name))
    if not found:
        pytest.skip("There is no PostgreSQL here (apt-get install postgresql).")
    return found[-1]


class PostgresServer(_Child):
    """PostgreSQL in a folder that goes with it; it refuses to run as root, so root runs it as nobody."""

    password = "w-0rd"

    def __init__(self) -> None:
        self._programs = postgres_programs()
        pytest.importorskip("psycopg", reason="psycopg is not installed.")
        pytest.importorskip("langgraph.checkpoint.postgres", reason="its checkpointer is not installed.")
        # Not below a test's own folder, which nobody else may enter.
        super().__init__(Path(tempfile.mkdtemp(prefix="postgres-")))
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.data = self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://tester:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> Self:
        if not self.data.exists():
            if self._user is not None:
                os.chown(self.folder, self._user, -1)
            secret = self.folder / "password"
            secret.write_text(self.password)
            secret.chmod(0o644)
            subprocess.run(
                [
                    self._programs / "initdb",
                    *("-D", self.data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", secret),
                    *("-E", "UTF8", "--no-locale", "--no-sync"),
                ],
                check=True,
                capture_output=True,
                user=self._user,
                cwd=self.folder,
            )
        told = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}", "fsync=off")
        options = [part for each in told for part in ("-c", each)]
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self._begin(
            [str(self._programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
            lambda: subprocess.run(ready, check=False).returncode == 0,
            user=self._user,
        )
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        shutil.rmtree(self.folder)
