"""`fieldmark vllm` hands its arguments on and measures, with a small script in the place of vLLM."""

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
        self.reply({{"object": "list", "data": []}})
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        answer = {{"rationale": "A bill.", "choice": "crane", "confidence": 90}}
        if "descriptors" in asked:
            answer = {{"descriptors": ["a red bill"]}}
        message = {{"role": "assistant", "content": json.dumps(answer)}}
        choice = {{"index": 0, "message": message, "finish_reason": "stop"}}
        usage = {{"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49}}
        self.reply({{"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice],
                    "usage": usage}})
    def reply(self, body):
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)
    def log_message(self, *arguments): pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever(0.05)
"""


@pytest.fixture
def fake(command_line: CommandLine) -> Path:
    """A program that behaves like `vllm` as far as we can see, and a model that sees, in a folder `m`."""
    program = command_line.folder / "fake-vllm"
    program.write_text(FAKE.format(python=sys.executable, notes=str(command_line.folder / "arguments")))
    program.chmod(0o700)
    (command_line.folder / "m").mkdir()
    config = {"vision_config": {}, "text_config": {"max_position_embeddings": 4096}}
    (command_line.folder / "m" / "config.json").write_text(json.dumps(config))
    return program


def test_a_command_runs_against_the_server(command_line: CommandLine, fake: Path) -> None:
    show = (
        "import os, pathlib, sys; e = os.environ; "
        "seen = e['FIELDMARK_LLM'] + ' ' + e['FIELDMARK_LLM_CONCURRENCY'] + ' ' + e['OPENAI_BASE_URL']; "
        "pathlib.Path('seen').write_text(seen); "
        "sys.exit(5)"
    )
    outcome = command_line.run(
        "vllm", "./m", "--binary", fake, "--verbose",
        "--command", f'{sys.executable} -c "{show}"', "--", "--max-model-len", 512,
    )  # fmt: skip
    assert outcome.code == 5
    seen = (command_line.folder / "seen").read_text()
    assert seen.startswith("./m auto http://127.0.0.1:")
    given = json.loads((command_line.folder / "arguments").read_text())
    assert given[:2] == ["serve", "./m"]
    assert given[-2:] == ["--max-model-len", "512"]
    assert "INFO loading [red]weights[/]" in outcome.lines
    assert "at a time" not in outcome.err  # it measures only where it is asked to, or serves alone
    assert outcome.out == ""


def test_without_a_command_it_measures_and_serves_until_ctrl_c(command_line: CommandLine, fake: Path) -> None:
    process = command_line.start("vllm", "./m", "--binary", fake)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert lines[0].startswith("export OPENAI_BASE_URL=http://127.0.0.1:")
    assert lines[2] == "export FIELDMARK_LLM=./m\n"
    assert lines[3].removeprefix("export FIELDMARK_LLM_CONCURRENCY=").strip() in ("1", "4", "16", "64")
    assert "; Ctrl-C stops it." in err
    assert "Questions in words: 1 at a time, " in err
    assert "Questions with an image: 1 at a time, " in err
    assert "Measured on this machine: " in err
    assert "--vlm ./m --vlm-base-url http://127.0.0.1:" in err


def test_a_dry_run_says_what_would_be_started(command_line: CommandLine, fake: Path) -> None:
    (said,) = command_line.invoke("vllm", "./m", "--dry-run", "--", "--dtype", "half").out.splitlines()
    assert said.startswith("vllm serve ./m --host 127.0.0.1 --structured-outputs-config '{")
    assert said.endswith(
        """ --max-model-len 4096 --limit-mm-per-prompt '{"image":1,"video":0,"audio":0}' --dtype half"""
    )
    told = command_line.invoke("vllm", "./m", "--dry-run", "--json", "--port", 8001).json
    assert told["schema"] == "fieldmark.vllm/1"
    assert told["command"][:6] == ["vllm", "serve", "./m", "--host", "127.0.0.1", "--port"]
    assert told["sees_images"] is True
    assert not (command_line.folder / "arguments").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("./not-here",), "There is no folder ./not-here."),
        (("m", "--json", "--command", "true"), "--json and --command would both print to stdout."),
        (("./m", "--binary", "no-such-program"), "The program no-such-program is not installed."),
        (("m", "--command", "'open"), "--command cannot be read"),
        (("m", "--command", ""), "--command is empty."),
        (("./m", "--binary", sys.executable, "--", "--port", "1"), "--port is set by Fieldmark."),
    ],
)
def test_wrong_arguments(
    command_line: CommandLine, fake: Path, arguments: tuple[str, ...], says: str
) -> None:
    outcome = command_line.invoke("vllm", *arguments)
    assert outcome.code == 2
    assert says in outcome.err
