"""Why no aspect can be learned is said as it is."""

import pytest
import torch

from fieldmark.app.learned.aspects import _dropped_words, _why_none
from fieldmark.tools.learned.aspects import Aspect, AspectLesson


@pytest.mark.parametrize(
    ("known", "failures", "said"),
    [(24, {}, "are the same"), (0, {}, "cannot tell"), (0, {"refused": 24}, "refused"),
     (3, {}, "fewer than 8")],
)  # fmt: skip
def test_the_reason_is_what_is_so(known: int, failures: dict[str, int], said: str) -> None:
    answered = (torch.arange(24) < known).float()[:, None]
    lesson = AspectLesson((Aspect(text="x"),), torch.full((24, 1), 0.9), answered)
    assert said in _why_none(lesson, 24, failures)


def test_what_was_dropped_is_counted_in_words() -> None:
    assert _dropped_words({"names_a_class": 3}) == " (dropped: 3 statements that name a class)"
    assert _dropped_words({}) == ""
