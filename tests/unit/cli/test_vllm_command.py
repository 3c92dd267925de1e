"""`fieldmark vllm` hands its arguments on, with a small script in the place of vLLM."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.command_line import CommandLine

FAKE = """\
#!{python} -IS
import http.server, json, sys
print("INFO loading [red]weights[/]", flush=True)
open({notes!r}, "w").write(json.dumps(sys.argv[1:]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments): pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever(0.05)
"""


@pytest.fixture
def fake(command_line: CommandLine) -> Path:
    """A program that behaves like `vllm` as far as we can see."""
    program = command_line.folder / "fake-vllm"
    program.write_text(FAKE.format(python=sys.executable, notes=str(command_line.folder / "arguments")))
    program.chmod(0o700)
    return program


def test_a_command_runs_against_the_server(command_line: CommandLine, fake: Path) -> None:
    show = (
        "import os, pathlib, sys; "
        "pathlib.Path('seen').write_text(os.environ['FIELDMARK_LLM'] + ' ' + os.environ['OPENAI_BASE_URL']); "
        "sys.exit(5)"
    )
    outcome = command_line.run(
        "vllm", "org/a-model", "--binary", fake, "--verbose",
        "--command", f'{sys.executable} -c "{show}"', "--", "--max-model-len", 512,
    )  # fmt: skip
    assert outcome.code == 5
    seen = (command_line.folder / "seen").read_text()
    assert seen.startswith("org/a-model http://127.0.0.1:")
    given = json.loads((command_line.folder / "arguments").read_text())
    assert given[:2] == ["serve", "org/a-model"]
    assert given[-2:] == ["--max-model-len", "512"]
    assert "INFO loading [red]weights[/]" in outcome.lines
    assert outcome.out == ""


def test_without_a_command_it_serves_until_ctrl_c(command_line: CommandLine, fake: Path) -> None:
    process = command_line.start("vllm", "a model", "--binary", fake)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[0].startswith("export OPENAI_BASE_URL=http://127.0.0.1:")
    assert lines[2] == "export FIELDMARK_LLM='a model'\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "; Ctrl-C stops it." in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("m", "--binary", "no-such-program"), "The program no-such-program is not installed."),
        (("m", "--command", "'open"), "--command cannot be read"),
        (("m", "--command", ""), "--command is empty."),
        (("m", "--binary", sys.executable, "--", "--port", "1"), "--port is set by Fieldmark."),
    ],
)
def test_wrong_arguments(command_line: CommandLine, arguments: tuple[str, ...], says: str) -> None:
    outcome = command_line.invoke("vllm", *arguments)
    assert outcome.code == 2
    assert says in outcome.err
