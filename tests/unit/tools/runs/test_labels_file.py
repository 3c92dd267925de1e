"""`labels.csv` and `ask.csv` are edited by people: no line end, no joined labels; damage is said."""

from pathlib import Path

import pytest

from fieldmark.errors import RunError
from fieldmark.records import GivenLabel
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import ASK, LABELS, append_labels, read_ask, read_given

CLASSES = ("red kite", "black kite")


def run_in(folder: Path) -> RunFolder:
    return RunFolder.create(folder, kind="classify", options={})


def label(digit: str, name: str) -> GivenLabel:
    return GivenLabel(image=f"{digit}.png", answer="class", label=name, image_hash=digit * 64)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_label_stands_in_a_line_of_its_own_however_the_last_one_ends(tmp_path: Path, end: bytes) -> None:
    run = run_in(tmp_path)
    append_labels(run, [label("a", "red kite")])
    path = run.path / LABELS
    path.write_bytes(path.read_bytes().rstrip() + end)
    append_labels(run, [label("b", "black kite"), label("a", "black kite")])
    assert {each.image_hash[0]: each.label for each in read_given(run, CLASSES)} == {
        "a": "black kite",
        "b": "black kite",
    }


def test_probabilities_that_are_none_are_damage(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    head = "image,guess,candidates,probabilities,why,label,image_hash"
    (run.path / ASK).write_text(f'{head}\na.png,red kite,red kite|black kite,"0,6|0,4",unsure,,{"a" * 64}\n')
    with pytest.raises(RunError, match="cannot be read"):
        read_ask(run)
