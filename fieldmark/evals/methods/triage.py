"""What descriptors leave open, for people who triage: conformal sets, and confusion against ignorance.

All three rank classes as DCLIP does.
"""

import torch
from torch import Tensor

from fieldmark.evals.methods.calibrated import calibrate
from fieldmark.evals.methods.knowledge import descriptors
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need, Run
from fieldmark.tools.concepts.heads.choose import platt
from fieldmark.tools.scoring.candidates import Conformal, RegularisedConformal
from fieldmark.tools.scoring.dclip import descriptor_prompts, mean_cosine_scores
from fieldmark.tools.scoring.evidential import opinions

ALPHA = 0.1
"""Share of images whose true class a set may miss."""


def by_sets(rule: type[Conformal] | type[RegularisedConformal]) -> Run:
    """Sets of classes that hold the true one for 90% of images, by what labelled images show."""

    async def run(bench: Bench) -> MethodScores:
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


async def by_opinions(bench: Bench) -> MethodScores:
    """Mean mass on no class (ignorance) and on several at once (confusion)."""
    scores, train = await described(bench)
    own = torch.nn.functional.one_hot(bench.train_labels, len(bench.classes)).flatten()
    slope, intercept = platt(train.flatten(), own, torch.ones(train.numel()))
    opinion = opinions((slope * scores + intercept).sigmoid())
    return MethodScores(
        scores=scores,
        diagnostics={
            "ignorance": float(opinion.ignorance.mean()),
            "confusion": float(opinion.confusion.mean()),
            "belief": float(opinion.belief.sum(1).mean()),
        },
    )


async def described(bench: Bench) -> tuple[Tensor, Tensor]:
    """DCLIP's logits of the test images `[N, C]` and of the labelled ones `[S, C]`."""
    marks = await descriptors(bench)
    prompts = list(descriptor_prompts(dict(zip(bench.classes, marks, strict=True))).values())
    scores, train = (
        bench.logit_scale * mean_cosine_scores(vectors, bench.encode, prompts)
        for vectors in (bench.vectors, bench.train_vectors)
    )
    return scores, train


_NEEDS = frozenset({Need.NAMES, Need.LLM, Need.LABELS})

METHODS = (
    Method(
        key="conformal",
        title="Conformal sets of DCLIP",
        source="Vovk et al. 2005",
        needs=_NEEDS,
        run=by_sets(Conformal),
        seeded=True,
        version="2",
    ),
    Method(
        key="raps",
        title="RAPS sets of DCLIP",
        source="Angelopoulos et al. 2021",
        needs=_NEEDS,
        run=by_sets(RegularisedConformal),
        seeded=True,
        version="2",
    ),
    Method(
        key="evidential",
        title="Confusion and ignorance of DCLIP",
        source="Fan et al. 2023",
        needs=_NEEDS,
        run=by_opinions,
        scale="fits on labelled images x classes at once: 16,000 x 1,000 take 1 GB",
    ),
)
