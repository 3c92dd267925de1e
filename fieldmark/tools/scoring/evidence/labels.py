"""Takes a few labels into the evidence: they weigh views, speak for their like, set the confidence."""

from dataclasses import replace

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.combine import CERTAIN, Evidence
from fieldmark.tools.scoring.evidence.groups import grouped
from fieldmark.tools.scoring.evidence.judges import (
    Judges,
    judged_temperature,
    judged_weights,
    likeliest_factors,
)

NONE_OF_THESE = -1
"""The label of an image that shows none of the classes."""
CANNOT_TELL = -2
"""The label of an image that a person could not tell; it is not asked about again."""
PRIOR_LABELS = 16.0
"""How many labels the scales without any label are worth: weights and temperature are shrunk towards 1."""
DRAWN_PRIOR_LABELS = 4.0
"""The same, where the labelled images were drawn from all classes alike, not asked about."""
SPREAD = 1.5
"""Log-odds with which a label speaks for its class in the images that were grouped with it."""


def with_labels(
    evidence: Evidence,
    vectors: Tensor,
    rows: Tensor,
    truth: Tensor,
    *,
    prior: float = PRIOR_LABELS,
    judges: Judges | None = None,
) -> Evidence:
    """The evidence after some images were labelled. No text is encoded, and nothing is asked.

    1. The views' weights w minimise sum_i -log softmax(w_names N + w_votes V)[i, y_i] + prior sum (log w)²:
       ridge logistic regression that starts at the rule without labels.
    2. With r the shares in the groups, each label adds 1.5 (r_n · r_i)² / n_y to the evidence of image n for
       its class y, of which n_y images are labelled.
    3. Images are grouped anew, labelled ones held at their label, and evidence is averaged over the groups.
    4. One temperature T divides all log-odds. It minimises the same loss on the labelled images, scored by
       their weighed evidence in the groups from before: their own labels must not vouch for themselves.

    Where there are judges, they set the weights (`judged_weights`) and T, by the evidence of step 3.

    Every part is linear in the evidence, so that contributions still sum to the margin.

    Args:
        evidence: From `combine`.
        vectors: Unit image vectors [N, D] float32.
        rows: Labelled images [n] int64, each once.
        truth: Their classes [n] int64; `NONE_OF_THESE` and `CANNOT_TELL` say nothing of other images.
        prior: How many labels the scales without any label are worth.
        judges: Labelled images that are none of `rows`.

    Returns:
        The evidence; as it was, where no image has a class.
    """
    named = truth >= 0
    rows, truth = rows[named], truth[named]
    if not len(rows) and judges is None:
        return evidence
    weights = (
        judged_weights(evidence, rows, truth, judges)
        if judges
        else _view_weights(evidence, rows, truth, prior)
    )
    names = replace(evidence.names, log_odds=weights[0] * evidence.names.log_odds)
    votes = None if evidence.votes is None else weights[-1] * evidence.votes
    weighed = names.log_odds if votes is None else names.log_odds + votes
    temperature = 1.0 if judges else _temperature(evidence.pooled(weighed)[rows], truth, prior)
    together = (evidence.groups.shares @ evidence.groups.shares[rows].T).square()
    labels = torch.bincount(truth, minlength=weighed.shape[1])
    spread = torch.zeros_like(weighed).index_add_(1, truth, SPREAD * together / labels[truth])
    told = torch.zeros_like(weighed).index_put((rows, truth), torch.ones(len(rows)))
    if evidence.bursts is not None:  # a label says the same of each picture of a burst
        spread = evidence.bursts.mean(spread) / evidence.bursts.worth[:, None]
    held = evidence.added(weighed + spread)
    if evidence.prior is not None:
        held = held + evidence.prior
    held = held.index_copy(0, rows, CERTAIN * told[rows])
    found = replace(
        evidence,
        names=names,
        votes=votes,
        votes_weight=float(weights[-1]) * evidence.votes_weight,
        groups=grouped(vectors, held, evidence.bursts),
        temperature=temperature,
        spread=spread,
        told=told,
        before=evidence,
        judged=0 if judges is None else len(judges.rows),
    )
    return replace(found, temperature=judged_temperature(found, judges)) if judges else found


def _view_weights(evidence: Evidence, rows: Tensor, truth: Tensor, prior: float) -> Tensor:
    """Weights of names and, where there are any, of votes [K]."""
    views = [evidence.names.log_odds[rows]]
    if evidence.votes is not None:
        views.append(evidence.votes[rows])
    return likeliest_factors(torch.stack(views, -1), truth, prior)


def _temperature(scores: Tensor, truth: Tensor, prior: float) -> float:
    return 1 / float(likeliest_factors(scores[..., None], truth, prior)[0])
