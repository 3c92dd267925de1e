"""Conformal sets and RAPS: the classes that labelled images do not rule out, ranked as DCLIP ranks them."""

import torch

from fieldmark.evals.methods.dclip import described
from fieldmark.evals.methods.shared.probabilities import calibrate
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.candidates import Conformal, RegularisedConformal

ALPHA = 0.1
"""Share of images whose true class a set may miss."""


def by_sets(rule: type[Conformal] | type[RegularisedConformal]) -> Run:
    """Sets of classes that hold the true one for 90% of images, by what labelled images show."""

    async def run(bench: EvalBench) -> MethodScores:
        scores, train = await described(bench)
        labelled = calibrate(train, bench.train_labels, seed=bench.seed)
        kept = rule.calibrate(labelled.held_out, labelled.labels, alpha=ALPHA)
        probabilities = labelled.probabilities(scores)
        return MethodScores(
            scores=scores / labelled.temperature,
            probabilities=probabilities,
            candidates=kept(probabilities, torch.ones_like(probabilities, dtype=torch.bool)),
            diagnostics={"temperature": labelled.temperature},
        )

    return run


_NEEDS = frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS})

METHODS = (
    EvalMethod(
        key="conformal",
        title="Conformal sets of DCLIP",
        source="Vovk et al. 2005",
        needs=_NEEDS,
        run=by_sets(Conformal),
        seeded=True,
        version="2",
    ),
    EvalMethod(
        key="raps",
        title="RAPS sets of DCLIP",
        source="Angelopoulos et al. 2021",
        needs=_NEEDS,
        run=by_sets(RegularisedConformal),
        seeded=True,
        version="2",
    ),
)
