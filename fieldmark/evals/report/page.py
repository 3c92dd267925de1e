"""Renders a page from its template and writes it whole; every value is escaped on its way into the page."""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from fieldmark.cache.folders import write_whole
from fieldmark.errors import RunError
from fieldmark.evals.report import words

LINKED = (
    "ask.html", "predictions.csv", "classes.csv", "label_sets.json", "predictions.jsonl", "ask.csv",
    "table.csv", "table.md", "table.tex",
    "result.json", "book.json", "rejected.json", "manifest.json", "config.json", "events.jsonl",
)  # fmt: skip
"""Files of runs that a page links to."""
PLOTS = "plots"
"""Folder of a run with its plots as SVG files."""
LEAST_PARTS = 3
"""Parts from which on a page lists them."""
_HEADING = re.compile(r"<h2>(.*?)</h2>", re.S)

FILTERS = (
    words.short,
    words.count,
    words.plural,
    words.roughly,
    words.percent,
    words.chance,
    words.signed,
    words.points,
    words.p_value,
    words.money,
    words.duration,
    words.moment,
    words.stop_reason,
)


@dataclass(frozen=True)
class Script:
    """A script of this package, and what allows a page to run it and no other.

    Attributes:
        text: The script.
        allowed: Its source for the page's content security policy.
    """

    text: Markup
    allowed: str

    @classmethod
    def named(cls, name: str) -> "Script":
        """The script of this file name."""
        text = (files("fieldmark.evals.report") / name).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return cls(Markup(text), f"'sha256-{digest}'")  # noqa: S704 (it is ours)


def render(template: str, *, run: Path | None = None, **values: object) -> str:
    """Fill a template of this package, and give the page a list of its parts.

    Args:
        template: Its file name under `templates/`.
        run: Folder that the page will lie in; the page links to the files in it.
        values: What it names; a name that is missing is an error.
    """
    linked = [] if run is None else files_of(run)
    return with_contents(_ours().get_template(template).render(style=_style(), files=linked, **values))


@cache
def _ours() -> jinja2.Environment:
    """Our own templates; each is compiled once in a process."""
    return environment(jinja2.PackageLoader("fieldmark.evals.report"))


def environment(loader: jinja2.BaseLoader) -> jinja2.Environment:
    """What fills templates: every value is escaped, a missing one is an error, our words are at hand.

    Args:
        loader: Where templates come from.
    """
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({each.__name__: each for each in FILTERS})
    made.globals.update(statuses=words.STATUSES, why_open=words.WHY_OPEN, score_parts=words.SCORE_PARTS)
    return made


def files_of(run: Path) -> list[str]:
    """The files of a run that are worth opening, most useful first."""
    return [name for name in LINKED if (run / name).is_file()] + [
        f"{PLOTS}/{path.name}" for path in sorted((run / PLOTS).glob("*.svg"))
    ]


def with_contents(page: str) -> str:
    """The page with a name for each part, and a list of them below its head where there are several."""
    titles: list[str] = []

    def named(found: re.Match[str]) -> str:
        titles.append(re.sub(r"<[^>]+>", "", found[1]).strip())
        return f'<h2 id="part-{len(titles)}">{found[1]}</h2>'

    page = _HEADING.sub(named, page)
    if len(titles) < LEAST_PARTS:
        return page
    links = "".join(f'<li><a href="#part-{n}">{title}</a></li>' for n, title in enumerate(titles, 1))
    contents = f'</header>\n<nav class="parts" aria-label="On this page"><ol>{links}</ol></nav>'
    return page.replace("</header>", contents, 1)


def write_page(path: Path, html: str) -> Path:
    """Write a page, whole or not at all.

    Raises:
        RunError: It cannot be written.
    """
    try:
        write_whole(path, (html.encode("utf-8", errors="replace"),))
    except OSError as error:
        raise RunError(f"{str(path)!r} cannot be written: {error.strerror}.") from error
    return path


def _shown(value: object) -> object:
    """Text as a page can show it; markup that is ours stays as it is."""
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _style() -> Markup:
    return Markup((files("fieldmark.evals.report") / "style.css").read_text(encoding="utf-8"))  # noqa: S704
