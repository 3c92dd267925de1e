"""Writes texts of other people into Markdown."""

import re

_SIGNS = re.compile(r"[\\`*_\[\]<>#|~]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
"""What begins anything of Markdown's, and the sign by which a bare address becomes a link."""


def one_line(text: str) -> str:
    """A text on one line that cannot begin anything of Markdown's, nor become a link."""
    return _SIGNS.sub(r"\\\g<0>", " ".join(text.split()))
