"""What every page has: parts to jump to, links to the run's files, captions, colours that stand out."""

import itertools
import re
from importlib.resources import files
from pathlib import Path

import pytest

from fieldmark.evals.report.page import files_of, with_contents
from fieldmark.evals.report.words import few_classes

STYLE = (files("fieldmark.evals.report") / "style.css").read_text(encoding="utf-8")
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in STYLE.split("}")[:2])
TEMPLATES = sorted(
    path.name for path in (Path(str(files("fieldmark.evals.report"))) / "templates").glob("*.html")
)


def brightness(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((brightness(one), brightness(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_and_words_stand_out_from_what_they_lie_on(colours: dict[str, str]) -> None:
    for mark, ground in itertools.product(("ochre", "green", "red", "grey"), ("paper", "soft")):
        assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
    for word in ("ink", "quiet", "green", "ochre-ink", "red-ink"):
        assert contrast(colours[word], colours["paper"]) >= 4.5, word
    for word in ("ochre", "red"):
        assert contrast(colours[f"{word}-ink"], colours[f"{word}-soft"]) >= 4.5, word
    assert contrast(colours["green"], colours["green-soft"]) >= 4.5


def test_no_mark_is_made_fainter_than_its_colour() -> None:
    assert "opacity" not in STYLE


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_table_has_a_caption_and_no_title_is_the_name_of_a_run(name: str) -> None:
    text = (files("fieldmark.evals.report") / "templates" / name).read_text(encoding="utf-8")
    tables = re.findall(r"<table[^>]*>\s*(<\w+)", text)
    assert all(first == "<caption" for first in tables), name
    assert "run_id" not in "".join(re.findall(r"{% block title %}(.*?){% endblock %}", text))


def test_the_parts_of_a_page_are_listed_below_its_head() -> None:
    body = "".join(f"<section><h2>{title}</h2></section>" for title in ("One", "<code>Two</code>", "Three"))
    page = with_contents(f"<header></header>{body}")
    assert '<nav class="parts" aria-label="On this page"><ol><li><a href="#part-1">One</a></li>' in page
    assert '<h2 id="part-2"><code>Two</code></h2>' in page and '<a href="#part-2">Two</a>' in page
    assert "<nav" not in with_contents("<header></header><h2>One</h2><h2>Two</h2>")


def test_the_files_that_are_there_are_linked(tmp_path: Path) -> None:
    for name in ("manifest.json", "predictions.csv", "lock", "checkpoint.sqlite"):
        (tmp_path / name).touch()
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "1-top1.svg").touch()
    assert files_of(tmp_path) == ["predictions.csv", "manifest.json", "plots/1-top1.svg"]


def test_wide_intervals_of_few_classes_are_explained() -> None:
    assert few_classes([(0.1, 0.15), (0.2, 0.61)], 8).startswith(
        "Intervals are up to 41 points wide because there are only 8 classes."
    )
    assert few_classes([(0.1, 0.15)], 8) == ""
    assert few_classes([(0.1, 0.9)], 80) == ""
    assert few_classes([], 2) == ""
