"""Options of `export --aspects`: refused alone, and by their own names where they are too large."""

import pytest

from fieldmark.app.learned.aspects import AspectOptions
from fieldmark.cli.learned.export import MAXIMA
from fieldmark.tools.runs.folder import RunFolder
from tests.command_line import CommandLine


@pytest.mark.parametrize(
    ("given", "named"),
    [(("--aspects", 201), "--aspects"), (("--aspects", 2, "--aspect-images", 200_000), "--aspect-images"),
     (("--max-calls", 3), "--max-calls"), (("--refresh",), "--refresh"), (("--no-cache",), "--no-cache")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_name(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, given: tuple[object, ...], named: str
) -> None:
    monkeypatch.setattr(RunFolder, "open", lambda *_, **__: None)
    told = command_line.invoke("export", "run", "--out", "taken", *given)
    assert told.code == 2
    assert named in told.err


def test_the_largest_values_are_those_of_the_options() -> None:
    fields = AspectOptions.model_fields
    for name, field in (("aspects", "most"), ("aspect_images", "images")):
        assert MAXIMA[name] in [getattr(bound, "le", None) for bound in fields[field].metadata]
