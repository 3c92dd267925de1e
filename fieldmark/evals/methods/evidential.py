"""Confusion and ignorance: is an image torn between known classes, or like none of them?

A diagnostic: it ranks no classes, but says how far DCLIP's ranking of them can be trusted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.dclip import described
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.concepts.heads.choose import platt
from fieldmark.tools.scoring.vectors import image_steps


@dataclass(frozen=True)
class Opinion:
    """What can be believed of each image; belief, confusion and ignorance sum to 1.

    Attributes:
        belief: Mass on each class alone [N, C], float32.
        ignorance: Mass on no class at all [N], float32: nothing speaks for any.
        confusion: Mass on two or more classes at once [N], float32: evidence in conflict.
    """

    belief: Tensor
    ignorance: Tensor
    confusion: Tensor


def opinions(plausibilities: Tensor) -> Opinion:
    """Belief, ignorance and confusion from how plausible each class is on its own.

        b_i       = pl_i * prod_{j != i} (1 - pl_j)
        ignorance = prod_j (1 - pl_j)
        confusion = 1 - sum_i b_i - ignorance

    Read pl as independent chances that a class applies: exactly one, none, more than one. Products over
    j != i are taken from both sides rather than by dividing, so that pl = 1 is no special case, and in
    float64, so that a thousand classes do not underflow.

    Source: Fan et al. 2023 ("Flexible Visual Recognition by Evidential Modeling of Confusion and
    Ignorance"), method section. There a trained head gives the plausibilities; here any calibrated head's
    per-class probabilities will do. A softmax over classes will not: its values sum to 1 whatever the image.

    Args:
        plausibilities: In [0, 1], [N, C], C > 0; rows need not sum to 1.

    Returns:
        One opinion per image.

    Raises:
        InputError: If the shape is another, or a value is not in [0, 1].
    """
    if plausibilities.ndim != 2 or not plausibilities.shape[1]:
        raise InputError(f"Plausibilities {tuple(plausibilities.shape)}.", hint="Give [images, classes].")
    if not bool(((plausibilities >= 0) & (plausibilities <= 1)).all()):
        raise InputError(
            "Plausibilities outside [0, 1] or not numbers.",
            hint="Give per-class probabilities (sigmoids), not logits.",
        )
    images, classes = plausibilities.shape
    belief = torch.zeros(images, classes)
    ignorance, confusion = torch.zeros(images), torch.zeros(images)
    for step in image_steps(images, 8 * classes):  # float64, and four tables of it
        plausible = plausibilities[step].to(torch.float64)
        absent = 1 - plausible
        one = torch.ones_like(absent[:, :1])
        before = torch.cat([one, absent[:, :-1]], 1).cumprod(1)
        after = torch.cat([one, absent[:, 1:].flip(1)], 1).cumprod(1).flip(1)
        single = plausible * before * after
        none = before[:, -1] * absent[:, -1]
        belief[step] = single.to(torch.float32)
        ignorance[step] = none.to(torch.float32)
        # Rounding alone can make it fall below 0.
        confusion[step] = (1 - single.sum(1) - none).clamp(min=0).to(torch.float32)
    return Opinion(belief, ignorance, confusion)


async def by_opinions(bench: EvalBench) -> MethodScores:
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


METHODS = (
    EvalMethod(
        key="evidential",
        title="Confusion and ignorance of DCLIP",
        source="Fan et al. 2023",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS}),
        run=by_opinions,
        scale="fits on labelled images x classes at once: 16,000 x 1,000 take 1 GB",
    ),
)
