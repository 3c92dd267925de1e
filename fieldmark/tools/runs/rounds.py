"""Reads from a run folder how many images were resolved after each round."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from fieldmark.reading import read_lines
from fieldmark.tools.runs.events import RoundSummary

logger = logging.getLogger(__name__)

_OF_EVERY_EVENT = {"time", "at", "event"}


def read_rounds(folder: Path) -> tuple[RoundSummary, ...]:
    """The rounds of a run, first to last, from its `events.jsonl`.

    A resumed run may have gone through a round twice: the later pass counts. A line that a kill tore is
    passed over, with a log line.

    Args:
        folder: The run folder; without events there are no rounds.
    """
    path = folder / "events.jsonl"
    if not path.is_file():
        return ()
    found: dict[int, RoundSummary] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            if event["event"] != RoundSummary.line:
                continue
            fields = {key: value for key, value in event.items() if key not in _OF_EVERY_EVENT}
            summary = RoundSummary.model_validate(fields)
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            logger.warning("%s, line %d is no event: %s", path, number, str(error).splitlines()[0])
            continue
        found[summary.round] = summary
    return tuple(found[number] for number in sorted(found))


def pooled_rounds(histories: Sequence[Sequence[RoundSummary]]) -> tuple[RoundSummary, ...]:
    """Sum several runs round by round; one that stopped earlier stays as it stopped."""
    kept = [history for history in histories if history]
    pooled: list[RoundSummary] = []
    for number in range(max((len(history) for history in kept), default=0)):
        at = [history[min(number, len(history) - 1)] for history in kept]
        pooled.append(
            RoundSummary(
                round=number,
                questions=sum(each.questions for each in at),
                resolved=sum(each.resolved for each in at),
                open=sum(each.open for each in at),
                rejected=sum(each.rejected for each in at),
                candidates=sum(each.candidates for each in at),
                attributes=max(each.attributes for each in at),
            )
        )
    return tuple(pooled)
