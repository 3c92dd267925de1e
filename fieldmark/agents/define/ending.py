"""When a conversation ends, and what still hinders that: the same conditions as a rule and in words."""

from typing import TYPE_CHECKING

from fieldmark.agents.define.options import LEAST_REPEATS, DefineOptions
from fieldmark.agents.define.progress import labels_given
from fieldmark.records import Concept
from fieldmark.records.conversation import ConversationProgress, DefineStop

if TYPE_CHECKING:  # fronts say what hinders the end, and load no graph
    from fieldmark.agents.define.scores import Standing
    from fieldmark.agents.define.state import DefineState


def stop_reason(
    state: "DefineState", now: "Standing", concept: Concept, *, quiet: int, options: DefineOptions
) -> DefineStop | None:
    """Why the conversation ends here; None while it should go on."""
    enough = now.owner.pairs >= options.agreement_labels
    if quiet >= options.quiet_boards and enough and now.agrees:
        return "agreement"
    if state.boards >= options.boards:
        return "boards"
    if labels_given(concept) - state.labels_before >= options.labels:
        return "labels"
    if options.calls is not None and state.spent >= options.calls:
        return "calls"
    return None


def what_hinders(progress: ConversationProgress) -> tuple[str, ...]:
    """What is missing for an end by agreement, in words, the budget last; empty where it is over.

    The last one says what ends the conversation otherwise.
    """
    if progress.stop_reason is not None:
        return ()
    missing: list[str] = []
    if (boards := progress.quiet_needed - progress.quiet) > 0:
        missing.append(
            _count(boards, "board in a row that changes nothing", "boards in a row that change nothing")
        )
    if (labels := progress.agreement_labels - progress.kappa_labels) > 0:
        missing.append(f"{_count(labels, 'label')} to compare the model with")
    if (repeats := LEAST_REPEATS - progress.repeats) > 0:
        missing.append(f"{_count(repeats, 'picture')} shown a second time")
    elif not progress.agrees and (gap := _gap(progress)):
        missing.append(gap)
    return (*missing, _budget(progress))


def in_one_line(hinders: tuple[str, ...]) -> str:
    """The same as a sentence; empty where nothing hinders."""
    if not hinders:
        return ""
    *missing, budget = hinders
    still = f"still missing: {', '.join(missing)}. It" if missing else "nothing is missing. It"
    return f"Until the end, {still} ends {budget} at the latest."


def _gap(progress: ConversationProgress) -> str:
    """How far the model is from agreeing with the owner as the owner does."""
    own, error = progress.self_kappa, progress.self_kappa_error
    if own is None or progress.kappa is None:
        return "labels of both kinds, to know a kappa"
    needed = own - max(error or 0.0, progress.kappa_error or 0.0)
    return (
        f"kappa {needed:.2f} between you and the model: it is {progress.kappa:.2f}, with yourself {own:.2f}"
    )


def _budget(progress: ConversationProgress) -> str:
    left = [
        f"after {_count(max(0, progress.most_boards - progress.boards), 'more board', 'more boards')}",
        _count(max(0, progress.most_labels - progress.labels), "label"),
    ]
    if progress.most_calls is not None:
        left.append(
            _count(max(0, progress.most_calls - progress.spent), "question to models", "questions to models")
        )
    return f"{', '.join(left[:-1])} or {left[-1]}"


def _count(number: int, thing: str, plural: str = "") -> str:
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"
