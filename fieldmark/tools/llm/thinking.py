"""Takes the thinking out of what a model wrote: no draft in it may pass for the answer."""

import re

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|analysis|reflection|scratchpad)"
_OPEN = rf"<\|?(?:start_)?{_NAMES}\|?>|\[{_NAMES}\]|◁{_NAMES}▷|<\|channel>thought\b"
_CLOSE = rf"</{_NAMES}>|<\|(?:end_|/){_NAMES}\|>|\[/{_NAMES}\]|◁/{_NAMES}▷|<channel\|>"
_MARK = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})", re.IGNORECASE)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<channel>\w+).{0,200}?<\|message\|>(?P<text>.*?)(?=<\|\w+\|>|\Z)", re.DOTALL
)
"""A message of the harmony format."""
_BARE_CHANNEL = re.compile(r"\s*analysis(?=[A-Z{\"'])")
"""Harmony whose marks were dropped on the way: "analysisWe need ... assistantfinal{...}"."""


class UnfinishedThoughtError(Exception):
    """A text that is all thinking: it never came to its answer."""


def without_thinking(text: str) -> str:
    """The part of a text that is meant for the reader.

    Known are tags in angle and square brackets (`<think>`, `[THINK]`), tags whose opening was in the
    prompt, and the channels of harmony (gpt-oss): `analysis` is thinking, `final` is the answer.

    Raises:
        UnfinishedThoughtError: If the thinking has no end.
    """
    if "<|channel|>" in text:
        messages = list(_CHANNEL.finditer(text))
        final = [found["text"] for found in messages if found["channel"].lower() == "final"]
        if not final:
            raise UnfinishedThoughtError
        return final[-1]
    if _BARE_CHANNEL.match(text):
        _, found, answer = text.rpartition("assistantfinal")
        if not found:
            raise UnfinishedThoughtError
        return answer
    said: list[str] = []
    depth, since = 0, 0
    for mark in _MARK.finditer(text):
        if mark["open"]:
            if not depth:
                said.append(text[since : mark.start()])
            depth += 1
        else:
            if not depth:  # its opening was in the prompt: all so far was thinking
                said.clear()
            depth, since = 0, mark.end()
    if depth:
        raise UnfinishedThoughtError
    return "\n".join([*said, text[since:]])
