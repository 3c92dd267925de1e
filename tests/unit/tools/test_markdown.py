"""Texts of other people in Markdown stay texts."""

import pytest
from markdown_it import MarkdownIt

from fieldmark.tools.markdown import one_line


@pytest.mark.parametrize(
    "text", ["~~gone~~", "*a* _b_ `c` [d](e) <b>f</b>", "# g", "a\n\n# h", "x | y", "back\\\\slash\\*"]
)
def test_a_text_is_shown_as_it_is(text: str) -> None:
    html = MarkdownIt("commonmark").enable(["strikethrough", "table"]).render(f"- {one_line(text)}")
    shown = " ".join(text.split()).replace("<", "&lt;").replace(">", "&gt;")
    assert html == f"<ul>\n<li>{shown}</li>\n</ul>\n"


def test_an_address_is_no_link() -> None:
    assert one_line("see https://a.b/c or WWW.d.e, not:this") == r"see https\://a.b/c or WWW\.d.e, not:this"
