"""Weighs views by labelled images that had no part in choosing the prompts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.tools.scoring.evidence.combine import Evidence
from fieldmark.tools.scoring.evidence.votes import scale_for

FEWEST_JUDGES = 16
"""The fewest that are worth asking."""
PRIOR_JUDGES = 3.0
"""How many judges the scales by accuracy are worth, and a temperature of 1."""
PRIOR_VOTES = 4.0
"""How many labels the estimate of the votes' accuracy without labels is worth."""
MOST_ACCURATE = 0.99


@dataclass(frozen=True)
class Judges:
    """Labelled images that set weights and temperature, and say nothing of their own class.

    Images that chose the prompts cannot: the prompts are right on nearly all of them.

    Attributes:
        rows: The images [m] int64, each once.
        truth: Their classes [m] int64.
    """

    rows: Tensor
    truth: Tensor


def judged_weights(evidence: Evidence, rows: Tensor, truth: Tensor, judges: Judges) -> Tensor:
    """The factors [K] of names and, where there are any, of votes.

    Each view is first scaled until its mean confidence is its accuracy: that of the names on the judges, that
    of the votes on all labelled images, shrunk to what is estimated without labels. Factors near 1 that make
    the judges' classes likeliest follow.

    Args:
        evidence: Without labels.
        rows: The images that chose the prompts [n] int64. They judge the votes alone.
        truth: Their classes [n] int64.
        judges: The judges.
    """
    names, votes = evidence.names.log_odds, evidence.votes
    others = torch.ones(len(names), dtype=torch.bool).index_fill(0, rows, value=False)
    right = _right(names, judges.rows, judges.truth) + 0.5
    scales = [scale_for(names[others], _between(right, len(judges.rows) + 1.0, names))]
    views = [names]
    if votes is not None:
        both, classes = torch.cat([rows, judges.rows]), torch.cat([truth, judges.truth])
        right = _right(votes, both, classes) + PRIOR_VOTES * (evidence.votes_accuracy or 0.0)
        scales.append(scale_for(votes[others], _between(right, len(both) + PRIOR_VOTES, votes)))
        views.append(votes)
    scaled = torch.tensor(scales)
    return scaled * likeliest_factors(
        torch.stack(views, -1)[judges.rows] * scaled, judges.truth, PRIOR_JUDGES
    )


def judged_temperature(evidence: Evidence, judges: Judges) -> float:
    """The temperature at which the judges' classes are likeliest, by all but a prior.

    A prior is added after the temperature has divided the rest, as it is sure of itself as it is.
    """
    scores = evidence.log_p if evidence.prior is None else evidence.log_p - evidence.prior
    scores = scores[judges.rows, :, None]
    return 1 / float(likeliest_factors(scores, judges.truth, PRIOR_JUDGES)[0])


def _right(scores: Tensor, rows: Tensor, truth: Tensor) -> float:
    return float((scores[rows].argmax(1) == truth).sum())


def _between(right: float, of: float, scores: Tensor) -> float:
    """An accuracy that a scale can be found for."""
    return min(MOST_ACCURATE, max(right / of, 1 / scores.shape[1] + 0.02))


def likeliest_factors(views: Tensor, truth: Tensor, prior: float) -> Tensor:
    """Factors [K] of views [n, C, K] that make the truth [n] likeliest, shrunk towards 1."""
    log_w = torch.zeros(views.shape[-1], requires_grad=True)
    solver = torch.optim.LBFGS([log_w], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        scores = (views * log_w.exp()).sum(-1)
        value = torch.nn.functional.cross_entropy(scores, truth, reduction="sum")
        value = value + prior * log_w.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    return log_w.detach().exp()
