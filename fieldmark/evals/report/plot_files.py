"""Makes figures of a page into SVG files that stand alone: with their own colours, at a fixed width."""

import re
from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from fieldmark.evals.report.figures import ROW, tag
from fieldmark.evals.report.words import clean, short

WIDTH = 760
"""Width of a drawing, in pixels."""
_NAMES, _NUMBERS, _GAP = 250, 64, 12
_LINE = 26
_DRAWN = re.compile(
    r"(svg|\.grid|\.zero|\.whisker|\.dot|\.interval|\.spot|\.frontier|\.level|\.plain)[^{}]*\{"
)


def alone(drawn: Markup, *, height: int, title: str, left: int = 0) -> str:
    """A drawing as a file of its own, in the colours of the light page.

    Args:
        drawn: Elements of SVG; a nested `svg` may be as wide as its place.
        height: In pixels.
        title: What it shows.
        left: Room for what is drawn to the left of it.
    """
    held = tag("svg", drawn, x=left, y=10, width=WIDTH - left - 20, height=height, style="overflow: visible")
    paper = tag("rect", width="100%", height="100%", fill=_palette()["paper"])
    return str(
        tag(
            "svg",
            tag("title", clean(title)) + tag("style", Markup(_style())) + paper + held,  # noqa: S704 (ours)
            xmlns="http://www.w3.org/2000/svg",
            width=WIDTH,
            height=height + 20,
            viewBox=f"0 0 {WIDTH} {height + 20}",
        )
    )


def interval_plot(rows: Sequence[tuple[str, Markup, str]], ticks: Markup, *, title: str) -> str:
    """Dots with intervals, one a line, between names and numbers.

    Args:
        rows: Name, drawing and number of each line.
        ticks: The axis's numbers.
        title: What it shows.
    """
    width = WIDTH - _NAMES - _NUMBERS - 2 * _GAP - 20
    place = {"x": _NAMES + _GAP, "width": width}
    drawn = tag("svg", ticks, y=0, height=15, **place)
    for number, (name, plot, value) in enumerate(rows):
        y = 18 + _LINE * number
        drawn += tag("text", clean(short(name, 44)), x=_NAMES, y=y + ROW / 2 + 4, text_anchor="end")
        drawn += tag("svg", plot, y=y, height=ROW, **place)
        drawn += tag("text", value, x=WIDTH - 20, y=y + ROW / 2 + 4, text_anchor="end")
    return alone(drawn, height=18 + _LINE * len(rows), title=title)


def _palette() -> dict[str, str]:
    """Colours of the light page by name."""
    sheet = (files("fieldmark.evals.report") / "style.css").read_text(encoding="utf-8")
    return dict(re.findall(r"-{2}([\w-]+): (#[0-9a-f]{6})", sheet.split("}", 1)[0]))


def _style() -> str:
    """The rules of the page's style sheet that drawings need, with the colours put in."""
    sheet = (files("fieldmark.evals.report") / "style.css").read_text(encoding="utf-8")
    rules = [line for line in sheet.splitlines() if _DRAWN.match(line.strip())]
    text = re.sub(r"var\(-{2}sans\)", "sans-serif", "\n".join(rules))
    return re.sub(r"var\(-{2}([\w-]+)\)", lambda found: _palette().get(found[1], "currentColor"), text)
