"""Whatever ends a command early is one sentence and an exit code."""

import errno
import logging
import subprocess
import sys
import warnings

import pytest
import typer
from typer.testing import CliRunner

from fieldmark import errors
from fieldmark.cli.exit_codes import GuardedCommands, InterruptedRun
from tests.command_line import CommandLine


def ending_with(error: BaseException, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that raises."""
    app = typer.Typer(cls=GuardedCommands, pretty_exceptions_enable=False)

    @app.callback()
    def root(debug: bool = False) -> None: ...

    @app.command()
    def work() -> None:
        typer.echo("so far")
        raise error

    result = CliRunner().invoke(app, [*arguments, "work"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("It is wrong.", hint="Mend it."), 2),
        (errors.EndpointError("It is wrong.", hint="Mend it."), 2),
        (errors.LimitReached("It is wrong.", hint="Mend it."), 3),
        (InterruptedRun("It is wrong.", hint="Mend it."), 130),
    ],
)
def test_an_error_on_purpose(error: Exception, code: int) -> None:
    assert ending_with(error) == (code, "so far\n", "fieldmark: It is wrong.\n           Mend it.\n")


@pytest.mark.parametrize(
    ("hint", "lines"),
    [
        ("Choose another.", ["fieldmark: It is wrong.", "           Choose another (--max-rounds)."]),
        ("", ["fieldmark: It is wrong (--max-rounds)."]),
    ],
)
def test_the_option_that_sets_a_field_is_named(hint: str, lines: list[str]) -> None:
    error = errors.InputError("It is wrong.", hint=hint, field="max_rounds")
    assert ending_with(error)[2].splitlines() == lines
    assert "--" not in str(error)


def test_several_fields_are_several_options() -> None:
    error = errors.InputError("It is wrong.", hint="Choose others.", field="most_templates, also_clip")
    assert ending_with(error)[2].splitlines()[1] == "           Choose others (--templates, --also-clip)."


def test_markup_in_an_error_is_text() -> None:
    _, _, err = ending_with(errors.InputError("No class '[red]x[/]' {y}.", hint=""))
    assert err == "fieldmark: No class '[red]x[/]' {y}.\n"


def test_debug_shows_where_it_came_from() -> None:
    code, _, err = ending_with(errors.InputError("It is wrong."), "--debug")
    assert code == 2
    assert "Traceback" in err
    assert err.rstrip().endswith("fieldmark: It is wrong.")


def test_ctrl_c() -> None:
    assert ending_with(KeyboardInterrupt())[::2] == (130, "fieldmark: interrupted.\n")


def test_a_full_disk_is_a_sentence() -> None:
    code, _, err = ending_with(OSError(errno.ENOSPC, "No space left on device", "/data/run"))
    assert code == 2
    assert err.splitlines()[0] == "fieldmark: [Errno 28] No space left on device: '/data/run'."
    assert "Traceback" not in err


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        ending_with(ZeroDivisionError("a bug"))


def test_only_our_warnings_are_heard(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(cls=GuardedCommands, pretty_exceptions_enable=False)

    @app.callback()
    def root(debug: bool = False) -> None: ...

    @app.command()
    def work() -> None:
        logging.getLogger("fieldmark.tools").warning("two\nlines [red]of ours[/]")
        logging.getLogger("fieldmark.tools").info("a detail")
        logging.getLogger("httpx").info("HTTP Request: POST")
        logging.getLogger("torch.utils").warning("No CUDA runtime is found")
        warnings.warn("deprecated", stacklevel=1)

    own = logging.getLogger("fieldmark")
    before = list(own.handlers)
    result = CliRunner().invoke(app, ["work"])
    assert (result.exit_code, result.stderr) == (0, "warning: two lines [red]of ours[/]\n")
    assert own.handlers == before


def test_a_reader_that_has_enough_is_no_error(command_line: CommandLine) -> None:
    program = (
        "from fieldmark.cli.terminal import words\nfor n in range(20000): words(json=False).say('a line')"
    )
    command = (
        "import typer\nfrom fieldmark.cli.exit_codes import GuardedCommands\n"
        "app = typer.Typer(cls=GuardedCommands)\n"
        "@app.callback()\ndef root(): ...\n"
        f"@app.command()\ndef work():\n    exec({program!r})\n"
        "app(['work'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        env=command_line.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "a line\n"
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == ""
    process.stderr.close()
