"""Combines what is found of a definition's clauses into the call of the concept, by logic.

The findings alone decide; how sure the annotator says it is of them never does. Four necessary clauses that
hold make an image "in", however unsure each is, and five positive ones that do not hold make it "out".
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.records import Call, ClauseRole, ClauseVerdict, Definition

HOLDS_FROM = 0.5
"""A clause judged by a probability alone holds from this one on."""
_UNKNOWN = ("abstain", "refused")


def call_of(definition: Definition, verdicts: Sequence[ClauseVerdict]) -> tuple[Call, float | None]:
    """What clause verdicts amount to: the call, and how far the annotator states that the image is in.

    The definition is read with Kleene's strong three values (yes, no, unknown):

    - "in": every necessary clause is yes, no negative one is anything but no, and a positive one is yes where
      there are any.
    - "out": a necessary clause is no, or a negative one is yes, or there are positive ones and all are no.
      What else is unknown does not matter.
    - Otherwise what is unknown decides, and is never taken for "no": "refused" where one of those clauses was
      refused, else "abstain".

    Args:
        definition: The clauses; only active ones count. Without any, the result is unknown.
        verdicts: One for each active clause, in any order; a missing one counts as abstained.

    Returns:
        The call, and the stated probability of "in": that of the clause on which the call hangs (the least of
        necessary clauses, of the likeliest positive one, and of the contrary of negative ones). It is as well
        calibrated as the annotator's own words, see `confidence`. None with "abstain" and "refused".
    """
    if not definition.active:
        return "abstain", None
    by_id = {verdict.clause: verdict for verdict in verdicts}
    parts = _parts(definition, by_id)
    if any(holds is False for holds, _ in parts):
        return "out", min(p for _, p in parts)
    if all(holds for holds, _ in parts):
        return "in", min(p for _, p in parts)
    return ("refused" if _decisive_refusal(definition, by_id) else "abstain"), None


def concept_log_odds(definition: Definition, log_odds: Tensor) -> Tensor:
    """The same logic on log-odds, for many images at once: the clause on which the concept hangs.

    `min(necessary, max(positive), −negative)`: above 0 where `call_of` says "in" of findings of that sign.

    Args:
        definition: The definition with K active clauses, one at least.
        log_odds: That each of them holds `[N, K]`.

    Returns:
        Log-odds `[N]`.
    """
    columns = roles_of(definition)
    parts = [log_odds[:, columns["necessary"]], -log_odds[:, columns["negative"]]]
    if columns["positive"]:
        parts.append(log_odds[:, columns["positive"]].amax(1, keepdim=True))
    return torch.cat(parts, 1).amin(1)


def roles_of(definition: Definition) -> Mapping[ClauseRole, list[int]]:
    """The places of the active clauses of each role."""
    roles: tuple[ClauseRole, ...] = ("necessary", "positive", "negative")
    active = definition.active
    return {role: [n for n, clause in enumerate(active) if clause.role == role] for role in roles}


def _parts(definition: Definition, by_id: Mapping[str, ClauseVerdict]) -> list[tuple[bool | None, float]]:
    """What must all be so: whether it is, None where it is unknown, and how likely, 1 where it is unknown."""
    parts = [_found(by_id.get(clause.id)) for clause in definition.of_role("necessary")]
    for clause in definition.of_role("negative"):
        holds, p = _found(by_id.get(clause.id))
        parts.append((None, 1.0) if holds is None else (not holds, 1 - p))
    positive = [_found(by_id.get(clause.id)) for clause in definition.of_role("positive")]
    if any(holds for holds, _ in positive):
        parts.append((True, max(p for holds, p in positive if holds)))
    elif any(holds is None for holds, _ in positive):
        parts.append((None, 1.0))
    elif positive:
        parts.append((False, max(p for _, p in positive)))
    return parts


def _found(verdict: ClauseVerdict | None) -> tuple[bool | None, float]:
    """Whether a clause holds, and how likely; a probability that contradicts the finding is a coin toss."""
    if verdict is None or verdict.finding in _UNKNOWN:
        return None, 1.0
    holds = verdict.finding == "yes"
    if verdict.p is None:
        return holds, float(holds)
    return holds, max(verdict.p, HOLDS_FROM) if holds else min(verdict.p, HOLDS_FROM)


def _decisive_refusal(definition: Definition, by_id: Mapping[str, ClauseVerdict]) -> bool:
    """Whether one of the clauses that leave the call open was refused."""
    found = {clause.id: by_id.get(clause.id) for clause in definition.active}
    sufficed = any(
        (verdict := found[clause.id]) is not None and verdict.finding == "yes"
        for clause in definition.of_role("positive")
    )
    return any(
        (verdict := found[clause.id]) is not None and verdict.finding == "refused"
        for clause in definition.active
        if not (sufficed and clause.role == "positive")
    )
