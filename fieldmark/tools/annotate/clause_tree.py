"""Combines the verdicts on a definition's clauses into a verdict on the concept."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.records import Call, Clause, ClauseVerdict, Definition

IN_FROM = 0.5
"""An image is in from this probability on."""


def call_of(definition: Definition, verdicts: Sequence[ClauseVerdict]) -> tuple[Call, float | None]:
    """What clause verdicts amount to: the call, and the probability of "in".

    A clause that settles the matter settles it whatever the others say: a necessary clause that does not
    hold, or a negative one that does, puts the image out. Otherwise one clause that was refused or that the
    annotator abstained from leaves the whole open; neither ever counts as "out".

    Args:
        definition: The clauses; only active ones count. Without any, the result is unknown.
        verdicts: One for each active clause, in any order; a missing one counts as abstained.

    Returns:
        The call, and the probability of "in"; None with "abstain" and "refused".
    """
    active = definition.active
    if not active:
        return "abstain", None
    by_id = {verdict.clause: verdict for verdict in verdicts}
    p = {clause.id: _p(by_id.get(clause.id)) for clause in active}
    if any(_settles(clause, p[clause.id]) for clause in active):
        known = {name: value for name, value in p.items() if value is not None}
        return "out", float(tree_probability(definition, _columns(known, assume=1.0, definition=definition)))
    missing = [clause for clause in active if p[clause.id] is None]
    held = [c for c in definition.of_role("positive") if (p[c.id] or 0.0) >= IN_FROM]
    # One positive clause that holds suffices: the others need not be known.
    missing = [clause for clause in missing if not (held and clause.role == "positive")]
    if missing:
        refused = any(v.finding == "refused" for v in verdicts if v.clause in {c.id for c in missing})
        return ("refused" if refused else "abstain"), None
    known = {name: (0.0 if value is None else value) for name, value in p.items()}
    probability = float(tree_probability(definition, _columns(known, assume=0.0, definition=definition)))
    return ("in" if probability >= IN_FROM else "out"), probability


def tree_probability(definition: Definition, p: Mapping[str, Tensor]) -> Tensor:
    """Probability of "in" out of the probabilities of the clauses, taken as independent.

    `∏ necessary · (1 − ∏ (1 − positive)) · ∏ (1 − negative)`; a role without clauses asks for nothing.

    Args:
        definition: The clauses; only active ones count.
        p: Clause id → probabilities that it holds, tensors of one shape.

    Returns:
        Probabilities of that shape, float32; ones where there is no clause.
    """
    one = torch.ones_like(next(iter(p.values()))) if p else torch.ones(())
    result = one
    for clause in definition.of_role("necessary"):
        result = result * p[clause.id]
    positive = definition.of_role("positive")
    if positive:
        none = one
        for clause in positive:
            none = none * (1 - p[clause.id])
        result = result * (1 - none)
    for clause in definition.of_role("negative"):
        result = result * (1 - p[clause.id])
    return result.to(torch.float32)


def _p(verdict: ClauseVerdict | None) -> float | None:
    if verdict is None or verdict.finding in ("abstain", "refused"):
        return None
    if verdict.p is not None:
        return verdict.p
    return 1.0 if verdict.finding == "yes" else 0.0


def _settles(clause: Clause, p: float | None) -> bool:
    if p is None or clause.role == "positive":
        return False
    return p < IN_FROM if clause.role == "necessary" else p >= IN_FROM


def _columns(known: Mapping[str, float], *, assume: float, definition: Definition) -> dict[str, Tensor]:
    """Probabilities as tensors; an unknown clause has the value that speaks most (or least) for "in"."""
    return {
        c.id: torch.tensor(known.get(c.id, 1 - assume if c.role == "negative" else assume))
        for c in definition.active
    }
