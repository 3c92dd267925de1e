"""Serving a local model, with a small script in the place of vLLM: start, health, stop, early ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fieldmark.errors import InputError, ServerError
from fieldmark.tools.llm.serving import vllm
from fieldmark.tools.llm.serving.vllm import run_vllm, serve

FAKE = """\
#!{python} -IS
import http.server, os, signal, sys, time, subprocess
from pathlib import Path
notes = Path({notes!r})
mode = {mode!r}
(notes / "arguments").write_text("\\n".join(sys.argv[1:]))
if "child" in mode:
    child = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(60)"])
    (notes / "child").write_text(str(child.pid))
(notes / "pid").write_text(str(os.getpid()))
print("INFO loading", sys.argv[2], flush=True)
if "stubborn" in mode:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "dies" in mode:
    print("ValueError: the model is too large", flush=True)
    sys.exit(3)
if "slow" in mode:
    time.sleep(0.5)
if "silent" in mode:
    time.sleep(60)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sick = "sick" in mode or ("warming" in mode and time.monotonic() < start + 0.5)
        self.send_response(503 if sick else 200)
        self.end_headers()
        if self.path == "/die":
            os._exit(7)
    def log_message(self, *arguments): pass

start = time.monotonic()
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever(0.05)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a program that behaves like `vllm` as far as we can see, in a mode of choice."""
    monkeypatch.setattr(vllm, "STOP_S", 1.0)

    def make(mode: str = "") -> dict[str, Any]:
        program = tmp_path / "vllm"
        program.write_text(FAKE.format(python=sys.executable, notes=str(tmp_path), mode=mode))
        program.chmod(0o700)
        return {"binary": str(program), "health_timeout_s": 20.0}

    return make


def alive(pid: int) -> bool:
    try:
        # A zombie that nobody reaps is no running process.
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        pass
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Any, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def noted(folder: Path, name: str) -> int:
    assert wait_for(lambda: (folder / name).exists() and (folder / name).read_text())
    return int((folder / name).read_text())


@pytest.mark.parametrize("mode", ["", "slow", "warming"])
def test_a_healthy_server_is_served_and_stopped(fake: Any, tmp_path: Path, mode: str) -> None:
    lines: list[str] = []
    with serve("org/model", options=["--max-model-len", "64"], on_line=lines.append, **fake(mode)) as server:
        with urllib.request.urlopen(server.base_url.replace("/v1", "/health")) as response:
            assert response.status == 200
        port = server.base_url.split(":")[-1].removesuffix("/v1")
        arguments = (tmp_path / "arguments").read_text().split("\n")
        assert server.returncode is None
    place = ["serve", "org/model", "--host", "127.0.0.1", "--port", port]
    assert arguments == [*place, "--max-model-len", "64"]
    assert lines == ["INFO loading org/model"]
    assert not alive(noted(tmp_path, "pid"))


@pytest.mark.parametrize("mode", ["child", "stubborn child"])
def test_our_own_crash_stops_the_server_and_its_children(fake: Any, tmp_path: Path, mode: str) -> None:
    with pytest.raises(ZeroDivisionError), serve("m", **fake(mode)):
        raise ZeroDivisionError
    assert not alive(noted(tmp_path, "pid"))
    assert wait_for(lambda: not alive(noted(tmp_path, "child")))


def test_a_server_that_dies_early_shows_its_last_lines(fake: Any) -> None:
    with pytest.raises(ServerError) as caught, serve("org/model", **fake("dies")):
        pass
    assert "ended with status 3" in caught.value.message
    assert "the model is too large" in caught.value.message


@pytest.mark.parametrize("mode", ["silent", "sick"])
def test_a_server_that_is_never_healthy_is_given_up(fake: Any, tmp_path: Path, mode: str) -> None:
    options = {**fake(mode), "health_timeout_s": 1.0}
    with pytest.raises(ServerError, match="not healthy within 1 s") as caught, serve("org/model", **options):
        pass
    assert "INFO loading org/model" in caught.value.message
    assert not alive(noted(tmp_path, "pid"))


def test_a_missing_program_is_named_with_its_install(tmp_path: Path) -> None:
    with pytest.raises(ServerError) as caught, serve("m", binary=str(tmp_path / "vllm")):
        pass
    assert 'pip install "fieldmark[vllm]"' in caught.value.hint


def test_a_program_that_cannot_run_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "vllm"
    program.write_bytes(b"\x7fELF but not really")
    program.chmod(0o700)
    with pytest.raises(ServerError, match="cannot be started"), serve("m", binary=str(program)):
        pass


def test_a_port_in_use_is_an_error_and_not_mistaken_for_ours(fake: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=str(port)), serve("m", port=port, **fake()):
            pass
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize(
    ("model", "options"), [("", []), ("--help", []), ("m", ["--port=3"]), ("m", ["--host", "x"])]
)
def test_arguments_that_cannot_be_used_are_refused(fake: Any, model: str, options: list[str]) -> None:
    with pytest.raises(InputError), serve(model, options=options, **fake()):
        pass


def test_a_command_runs_against_the_server(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    script = (
        "import os, sys, urllib.request as r; "
        "r.urlopen(os.environ['OPENAI_BASE_URL'].replace('/v1', '/health')); "
        "sys.exit(5 if os.environ['OPENAI_API_KEY'] != 'sk-real' and os.environ['MORE'] == 'yes' else 6)"
    )
    ready: list[str] = []
    status = run_vllm(
        "m",
        command=[sys.executable, "-c", script],
        environment={"MORE": "yes"},
        on_ready=lambda server: ready.append(server.base_url),
        **fake(),
    )
    assert status == 5
    assert len(ready) == 1
    assert not alive(noted(tmp_path, "pid"))


def test_a_command_that_cannot_be_started_stops_the_server(fake: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-command"):
        run_vllm("m", command=["no-such-command"], **fake())
    assert not alive(noted(tmp_path, "pid"))


def test_a_command_ended_by_a_signal_gives_the_shells_status(fake: Any) -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert run_vllm("m", command=[sys.executable, "-c", script], **fake()) == 143


def test_a_server_that_goes_away_later_is_an_error(fake: Any) -> None:
    def kill(server: vllm.Server) -> None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(server.base_url.replace("/v1", "/die")).close()

    with pytest.raises(ServerError, match="ended with status 7 while serving"):
        run_vllm("m", on_ready=lambda server: threading.Thread(target=kill, args=(server,)).start(), **fake())


def test_a_command_goes_on_where_its_server_goes_away(fake: Any, tmp_path: Path, caplog: Any) -> None:
    script = """
import os, sys, time, urllib.request
try:
    urllib.request.urlopen(os.environ["OPENAI_BASE_URL"].replace("/v1", "/die"))
except OSError:
    pass
time.sleep(0.6)
sys.exit(4)
"""
    assert run_vllm("m", command=[sys.executable, "-c", script], **fake("child")) == 4
    assert "ended with status 7 while the command runs" in caplog.text
    assert not alive(noted(tmp_path, "child"))


def test_output_that_cannot_be_shown_does_not_stop_the_server(fake: Any) -> None:
    def show(line: str) -> None:
        raise BrokenPipeError

    with serve("m", on_line=show, **fake()) as server:
        assert "INFO loading m" in server.last_lines()


PARENT = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background ignores it
from fieldmark.tools.llm.serving import vllm
vllm.STOP_S = 1.0
ready = lambda server: print("ready", flush=True)
sys.exit(vllm.run_vllm("m", binary={binary!r}, health_timeout_s=20.0, on_ready=ready, command={command!r}))
"""


def start_parent(options: dict[str, Any], command: list[str] | None = None) -> subprocess.Popen[str]:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT).format(binary=options["binary"], command=command)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(vllm.__file__).parents[4])},
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    return parent


@pytest.mark.parametrize("mode", ["child", "stubborn child"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killing_us_stops_the_server(fake: Any, tmp_path: Path, mode: str, number: int) -> None:
    with start_parent(fake(mode)) as parent:
        server, child = noted(tmp_path, "pid"), noted(tmp_path, "child")
        assert alive(server)
        assert alive(child)
        parent.send_signal(number)
        parent.wait(10)
        assert wait_for(lambda: not alive(server) and not alive(child))


def test_ctrl_c_ends_serving_without_an_error(fake: Any, tmp_path: Path) -> None:
    with start_parent(fake()) as parent:
        parent.send_signal(signal.SIGINT)
        assert parent.wait(10) == 0
    assert not alive(noted(tmp_path, "pid"))


def test_ctrl_c_lets_the_command_save_and_reports_it(fake: Any, tmp_path: Path) -> None:
    script = f"""
import pathlib, signal, sys, time
folder = pathlib.Path({str(tmp_path)!r})
try:
    (folder / "started").touch()
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(0.2)
    (folder / "saved").touch()
"""
    with start_parent(fake(), [sys.executable, "-c", script]) as parent:
        assert wait_for(lambda: (tmp_path / "started").exists())
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        assert parent.wait(10) == 130
    assert (tmp_path / "saved").exists()
    assert not alive(noted(tmp_path, "pid"))
