"""What reaches the terminal is what was meant: no markup, whole lines, one JSON object."""

import json
import subprocess
import sys

import pytest

from fieldmark.cli.terminal import amount, errors, print_json, row, share, table, words
from fieldmark.reading import size_in_words as size
from fieldmark.records import SkippedInput

HOSTILE = ["[bold red]red[/]", "[link=http://x]x[/link]", ":smile:", "[/]", "{name}", "emoji 🐦", "\\[x]"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_is_printed_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    words(json=False).say(text)
    made = table("class", words=("class",), title=text)
    row(made, text)
    words(json=False).print(made)
    out = capsys.readouterr().out
    assert out.startswith(text + "\n")
    assert out.count(text) == 3


def test_control_characters_from_outside_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "e\x1b[31mvil\x1b]0;title\x07 \x9b2J\u202e\x00.jpg"
    spelled = "e\\x1b[31mvil\\x1b]0;title"
    words(json=False).say(f"{hostile}\n\ttwo")
    errors().say(hostile)
    made = table("file", words=("file",), title=hostile)
    row(made, hostile)
    words(json=False).print(made)
    captured = capsys.readouterr()
    assert captured.out.count(spelled) == 3
    assert captured.err.startswith(spelled)
    for sign in "\x1b\x07\x9b\u202e\x00":
        assert sign not in captured.out + captured.err
    assert f"{spelled}\\x07 \\x9b2J\\u202e\\x00.jpg\n        two\n" in captured.out


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    line = "a sentence that goes on and on " * 20
    errors().say(line)
    assert capsys.readouterr().err == line + "\n"


def test_with_json_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    words(json=True).say("a word")
    print_json({"schema": "x/1"})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"schema": "x/1"}
    assert captured.err == "a word\n"


def test_json_of_a_record_and_of_a_file_name_that_is_no_text() -> None:
    program = (
        "from fieldmark.cli.terminal import print_json; from fieldmark.records import SkippedInput;"
        "print_json({'path': 'bird\\udcff 🐦.jpg'})"
    )
    # Also where the terminal can write ASCII alone.
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert json.loads(result.stdout) == {"path": "bird\udcff 🐦.jpg"}


def test_json_of_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(SkippedInput(path="a", reason="b"))
    assert json.loads(capsys.readouterr().out) == {"path": "a", "reason": "b"}


def test_numbers_in_words() -> None:
    assert [amount(1, "image"), amount(1200, "image"), amount(0, "class", "classes")] == [
        "1 image",
        "1,200 images",
        "0 classes",
    ]
    assert [size(0), size(999), size(1000), size(12_345_678), size(5 * 10**12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "12.3 MB",
        "5,000.0 GB",
    ]
    assert [share(0.12345), share(1.0), share(None)] == ["12.3%", "100.0%", "–"]
