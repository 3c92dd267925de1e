"""`fieldmark vllm` and vLLM's own batch runner, with a real vLLM that starts, answers, and fails to start.

Opt-in: `pytest -m live tests/live/test_real_vllm.py` with three variables: FIELDMARK_LIVE_VLLM, the program;
FIELDMARK_LIVE_VLLM_MODEL, a model's folder; FIELDMARK_LIVE_VLLM_OPTIONS, more options. The model may be
random. On a CPU each start takes minutes.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import CommandLine, Outcome

PROGRAM = os.environ.get("FIELDMARK_LIVE_VLLM", "")
MODEL = os.environ.get("FIELDMARK_LIVE_VLLM_MODEL", "")
OPTIONS = shlex.split(os.environ.get("FIELDMARK_LIVE_VLLM_OPTIONS", ""))
CLASSES = ("classify", "birds", "--classes", "birds/classes.txt", "--clip", "aviary", "--noun", "bird")

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not (PROGRAM and MODEL), reason="FIELDMARK_LIVE_VLLM or its model is not set"),
    pytest.mark.timeout(1800),
]


def run(place: CommandLine, *arguments: object, **more: str) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "fieldmark", *map(str, arguments)],
        cwd=place.folder,
        env=place.environment | more,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def birds(command_line: CommandLine) -> None:
    drawn = run(command_line, "aviary", "render", "birds", "--species", 3, "--images", 2)
    assert drawn.code == 0, drawn.err


def test_it_is_measured_and_labels_pictures(command_line: CommandLine, birds: None) -> None:
    sees = "vision_config" in (Path(MODEL) / "config.json").read_text()
    asking = (*CLASSES, "--max-rounds", 0, "--json", *(("--vlm", MODEL) if sees else ()))
    command = shlex.join([sys.executable, "-m", "fieldmark", *map(str, asking)])
    outcome = run(
        command_line, "vllm", MODEL, "--binary", PROGRAM, "--measure", "--command", command, "--", *OPTIONS
    )
    assert outcome.code == 0, outcome.err
    assert "Questions in words: 1 at a time, " in outcome.err
    assert ("Questions with an image: 1 at a time, " in outcome.err) == sees
    usage = outcome.json["usage"]
    assert usage["requests"] == 3  # a class each
    assert usage["failed"] < usage["requests"], outcome.err
    assert usage["unreported"] == 0
    if sees:
        vision = outcome.json["vision_usage"]
        assert vision["failed"] < vision["requests"] or not outcome.json["counts"]["open"], outcome.err


def test_a_server_that_cannot_start_says_why(command_line: CommandLine) -> None:
    outcome = run(command_line, "vllm", MODEL, "--binary", PROGRAM, "--", "--max-model-len", 10**9, *OPTIONS)
    assert outcome.code == 2
    assert "while starting" in outcome.err
    assert "max_model_len" in outcome.err
    assert "smaller --max-model-len" in outcome.err
    unknown = run(command_line, "vllm", MODEL, "--binary", PROGRAM, "--", "--no-such-option", *OPTIONS)
    assert "unrecognized arguments: --no-such-option" in unknown.err
    assert "vllm serve --help=all" in unknown.err


def test_its_batch_runner_answers_our_files(command_line: CommandLine, birds: None) -> None:
    asking = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "no-key", "FIELDMARK_LLM": MODEL}
    started = run(command_line, *CLASSES, "--max-rounds", 0, "--max-calls", 0, **asking)
    assert started.code == 3, started.err
    exported = run(command_line, "batch", "export", "latest", "--json", **asking).json
    assert exported["waiting"] == 3
    plan = json.loads(run(command_line, "vllm", MODEL, "--dry-run", "--json", "--", *OPTIONS).out)
    options = plan["command"][plan["command"].index("--structured-outputs-config") :]
    (file,) = exported["files"]
    batch = ["run-batch", "-i", file, "-o", "results.jsonl", "--model", MODEL, *options]
    done = subprocess.run(
        [PROGRAM, *batch], cwd=command_line.folder, capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    taken = run(command_line, "batch", "import", "latest", "results.jsonl", "--json", **asking).json
    assert taken["unreadable"] == taken["unused"] == 0
    assert taken["taken"] + sum(taken["bad"].values()) == 3
    assert set(taken["bad"]) <= {"truncated", "off_schema"}  # never a refusal of what was sent
    assert taken["taken"] > 0
