"""Says numbers, times and reasons the way a reader says them."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from fieldmark.records import Usage

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MINUS = "\N{MINUS SIGN}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
WIDE, FEW_CLASSES = 0.1, 50
"""Width of an interval, and number of classes, from which on and below which it is explained."""

STOP_REASONS = {
    "resolved": "every image was resolved",
    "no_progress": "no further question was expected to change a label",
    "max_rounds": "it had asked for as many rounds as it was allowed to",
    "budget": "a limit on calls, tokens or cost was reached; the run can be resumed with a higher one",
    "endpoint": "the language model could no longer be reached; the run can be resumed",
    "labelled": "the method was through",
    "unanswered": "none of its questions was answered",
}
STATUSES = {
    "resolved": "one class is left",
    "open": "several classes are left",
    "rejected": "no class is left",
}

WHY_OPEN = {"confused": "Several classes fit it.", "ignorant": "No class fits it well."}

SCORE_PARTS = {
    "name": ("the name itself", "how well it fits the picture"),
    "labels": ("labels given", "what people said of pictures like it"),
    "pool": ("other pictures", "what unlabelled pictures like it look like"),
    "rest": ("all other texts", "and what the texts say of any picture here"),
}
"""Parts of a score that are no attribute: what each is called, and what it means."""


def clean(text: str) -> str:
    """The text with characters that no page can show (controls, lone surrogates) made visible."""
    return "".join(
        REPLACEMENT if unicodedata.category(each) in ("Cc", "Cs") and each not in "\t\n" else each
        for each in text
    )


def short(text: str, limit: int = 60) -> str:
    """At most `limit` characters: what is longer loses its middle, so that look-alike names stay apart."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return text[:head].rstrip() + ELLIPSIS + text[len(text) - (limit - 1 - head) :].lstrip()


def count(number: float) -> str:
    """A whole number with its thousands set apart: "1,600"."""
    return f"{round(number):,}"


def roughly(number: float) -> str:
    """A whole number to two digits, for estimates: "3,000,000"."""
    return count(float(f"{number:.2g}"))


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 class", "1,600 images"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f}%"


def chance(probability: float) -> str:
    """A probability in whole percent that never claims 0 or 1 by rounding."""
    if 0 < probability < 0.005:
        return "<1%"
    if 0.995 < probability < 1:
        return ">99%"
    return f"{100 * probability:.0f}%"


def signed(number: float, digits: int = 2) -> str:
    """A number with its sign: "+1.26", "−0.52"."""
    text = f"{abs(number):.{digits}f}"
    if not float(text):
        return text
    return (MINUS if number < 0 else "+") + text


def points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return signed(100 * difference, 1)


def p_value(p: float) -> str:
    """A p-value: as it is down to a thousandth, below that by its bound."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def money(usage: Usage) -> str:
    """What a model's answers cost; unknown is never 0."""
    if usage.cost is not None:
        return f"{usage.cost:.4f}"
    return "not known: no price is set" if usage.of_unknown_cost else "none: nothing was asked afresh"


def duration(seconds: float) -> str:
    """A time span in its two largest units, without one of nothing: "0.4 s", "3 min 5 s", "33 min", "2 h"."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    large, small, rest = (
        (f"{whole // 60} min", "s", whole % 60)
        if whole < 3600
        else (f"{whole // 3600} h", "min", whole % 3600 // 60)
    )
    return f"{large} {rest} {small}" if rest else large


def moment(iso: str) -> str:
    """An ISO 8601 time as "22 November 2026, 02:02 UTC"; what is none stays as it is."""
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    zone = f" {time.tzname()}" if time.tzinfo else ""
    return f"{time.day} {time:%B %Y}, {time:%H:%M}{zone}"


def stop_reason(reason: str) -> str:
    """Why a run stopped, in words; an unknown reason stays as it is."""
    return STOP_REASONS.get(reason, reason)


def few_classes(intervals: Sequence[tuple[float, float]], classes: int, kind: str = "classes") -> str:
    """Why 95% intervals of shares are wide, where one is: few classes stand for all there might have been."""
    widest = max((high - low for low, high in intervals), default=0.0)
    if widest < WIDE or classes >= FEW_CLASSES:
        return ""
    return (
        f"Intervals are up to {100 * widest:.0f} points wide because there are only {classes} {kind}. They "
        f"say how it might be with other {kind} like these; more images of the same {kind} do not narrow "
        f"them. Four times as many {kind} would about halve them."
    )
