"""Runs the command line as a person would: in a process of its own, or in this one where that is enough."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import fieldmark
from fieldmark.aviary.guide.guide import Guide
from fieldmark.cli import build
from fieldmark.records import ChatMessage
from tests.faulty_endpoint import Received, Reply, completion
from tests.warm_process import READ_AT_IMPORT, WarmProcess

OURS = ("FIELDMARK_", "OPENAI_")


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout; anything beside it is an error."""
        assert self.out, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """What it said on stderr, line by line."""
        return self.err.splitlines()


@dataclass(frozen=True)
class CommandLine:
    """A place to run commands: a folder, a home for what is kept, and the environment.

    Attributes:
        folder: Where commands run.
        home: `FIELDMARK_HOME`.
        more: Further environment variables.
    """

    folder: Path
    home: Path
    more: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment, without any setting of whoever runs the tests."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        paths = [str(Path(fieldmark.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **inherited,
            "PYTHONPATH": os.pathsep.join(paths),
            "FIELDMARK_HOME": str(self.home),
            **self.more,
        }

    def start(self, *arguments: object) -> WarmProcess:
        """Start a command as a process."""
        assert not any(name.startswith(READ_AT_IMPORT) for name in self.more)
        return WarmProcess([str(each) for each in arguments], cwd=self.folder, env=self.environment)

    def start_cold(self, *arguments: object) -> "subprocess.Popen[str]":
        """Start a command as a process that imports everything itself."""
        # A shell that starts the tests in the background has them ignore SIGINT, and children inherit that.
        script = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from fieldmark.cli import main; main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: object) -> Outcome:
        """Run a command as a process, to its end."""
        cold = any(name.startswith(READ_AT_IMPORT) for name in self.more)
        process = (self.start_cold if cold else self.start)(*arguments)
        out, err = process.communicate(timeout=500)  # a little before pytest gives up
        return Outcome(process.returncode, out, err)

    def invoke(self, *arguments: object) -> Outcome:
        """Run a command in this process: without a signal handler, and without loading torch once more."""
        here = Path.cwd()
        cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith(OURS)}
        runner = CliRunner()
        os.chdir(self.folder)
        try:
            result = runner.invoke(
                build(),
                [str(argument) for argument in arguments],
                env={**cleared, "FIELDMARK_HOME": str(self.home), **self.more},
                prog_name="fieldmark",
            )
        finally:
            os.chdir(here)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)


def guide_script(guide: Guide) -> Any:
    """A script for `FaultyEndpoint`: every question is answered by the aviary's guide."""

    def answer(request: Received) -> Reply:
        messages: Sequence[ChatMessage] = [
            ChatMessage(role=each["role"], content=each["content"]) for each in request.body["messages"]
        ]
        schema = request.body["response_format"]["json_schema"]["schema"]
        return completion(guide.answer(messages, schema, request.body.get("seed") or 0))

    return answer
