"""A studio that is served by a process of its own, and what a browser finds wrong with its pages."""

import contextlib
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from fieldmark.tools.runs.folder import RunFolder, new_run_id
from tests.command_line import CommandLine

PATIENCE_S = 240


@dataclass
class Studio:
    """A served studio.

    Attributes:
        address: Where it answers, with a slash at the end.
        place: Where its commands run: folder, home and environment.
        truth: Species by the content hash of an image.
        made: A finished run of `classify`, which no test changes.
        search: A finished search for prompts.
        table: A finished table of methods.
        concepts: See `made_concepts`.
    """

    address: str
    place: CommandLine
    truth: dict[str, str]
    made: RunFolder
    search: RunFolder
    table: RunFolder
    concepts: dict[str, str]

    def run(self) -> RunFolder:
        """A copy of the run, for one test to change."""
        to = self.made.path.parent / new_run_id("classify")
        shutil.copytree(self.made.path, to)
        config = to / "config.json"
        config.write_text(config.read_text(encoding="utf-8").replace(self.made.run_id, to.name), "utf-8")
        return RunFolder(to)


@contextlib.contextmanager
def served(place: CommandLine, *more: object) -> Iterator[str]:
    """The address of a studio that is served meanwhile; Ctrl-C ends it."""
    process = place.start("studio", "--port", 0, *more)
    try:
        yield process.stdout.readline().rpartition(" ")[2].strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)


@dataclass
class Watched:
    """What a browser was asked to load, and what it complained of.

    Attributes:
        host: The studio's host and port.
        outside: Addresses elsewhere that it wanted.
        complaints: Errors of scripts and of the content policy.
    """

    host: str
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Watch one more tab."""
        page.on("request", lambda request: self._requested(request.url))
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _requested(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.outside.append(address)

    def _said(self, kind: str, text: str) -> None:
        # A page that is refused is a page, too; the tests look at what it says.
        if kind == "error" and not re.match(r"Failed to load resource: the server responded with", text):
            self.complaints.append(text)


def faults(page: Page) -> list[str]:
    """What axe finds serious or critical on a page."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:160]} ({node.get('failureSummary', '')[:200]})"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def wider_than_its_window(page: Page) -> bool:
    """Whether one must scroll sideways to read a page."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")


def walk(page: Page, most: int = 400) -> list[str]:
    """Press Tab until the focus comes round: what had it, in the page's order, and where that is not seen."""
    met: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        here = page.evaluate(_FOCUSED)
        if here in met:
            break
        if here is not None:  # None: the focus left the page at its end, and comes back at its beginning
            met.append(here)
    return sorted(met, key=lambda each: int(each.split()[0]))


def reachable(page: Page) -> list[str]:
    """All that one may press on a page, in the words of `walk`; of radio buttons the one Tab stops at."""
    return page.evaluate(_REACHABLE)


_NAME = """
const all = [...document.querySelectorAll(
  'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')];
const text = (each) => (each.textContent || each.name || '').trim().slice(0, 40);
const name = (each) => `${all.indexOf(each)} ${each.tagName} ${text(each)}`;
"""
_FOCUSED = f"""() => {{ {_NAME}
const here = document.activeElement;
if (!here || here === document.body) return null;
const style = getComputedStyle(here);
const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
return name(here) + (seen ? '' : ' (its focus is not seen)');
}}"""
_REACHABLE = f"""() => {{ {_NAME}
const chosen = (name) => document.querySelector(`input[name="${{name}}"]:checked`)
  || document.querySelector(`input[name="${{name}}"]`);
const passed = (each) => each.type === 'radio' && each !== chosen(each.name);
return all.filter((each) => each.checkVisibility() && !each.disabled && each.tabIndex >= 0
  && !passed(each)).map(name);
}}"""
