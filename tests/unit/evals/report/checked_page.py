"""Reads a page back: is it sound HTML, does it reach outside, and what does it say?"""

from html.parser import HTMLParser

from fieldmark.evals.report.page import LINKED

VOID = {"meta", "img", "br", "col", "link", "input", "hr"}
REACHES_OUT = {"src", "href", "action", "srcset", "poster", "data", "xlink:href", "background"}


class CheckedPage(HTMLParser):
    """A page as a strict reader sees it: every element closed, nothing fetched, no script but a known one."""

    def __init__(self, html: str, *, script: str = "") -> None:
        super().__init__()
        self.script = script
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.parts: list[str] = []
        """The list of the page's parts, which `text` leaves out: it says the headings twice."""
        self.feed(html)
        self.close()
        assert not self.open, self.open
        self.text = " ".join(" ".join(self.pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert tag != "script" or self.script
        assert tag not in ("iframe", "object", "embed", "link", "form"), tag
        for key, value in named.items():
            assert not key.startswith("on"), key
            if key in REACHES_OUT and not str(value).startswith("#"):
                allowed = str(value).startswith("data:image/webp;base64,") or (
                    (tag == "a" and str(value) in LINKED) or str(value).startswith("plots/")
                )
                assert allowed, (key, value)
        if tag not in VOID:
            self.open.append(tag)
        self.elements.append((tag, named))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open[-4:])
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "nav" in self.open:
            self.parts.append(data)
            return
        if "script" in self.open:
            assert data == self.script
        elif "style" not in self.open:
            self.pieces.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def attributes(self, tag: str, key: str) -> list[str]:
        return [str(named[key]) for name, named in self.elements if name == tag and key in named]
