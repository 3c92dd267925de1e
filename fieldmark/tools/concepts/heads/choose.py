"""Chooses among heads by cross-validation, calibrates the chosen one and sets its threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor

from fieldmark.records import Costs, Definition
from fieldmark.tools.concepts.heads.config import Route
from fieldmark.tools.concepts.heads.network import Head, concept_logits
from fieldmark.tools.concepts.heads.train import HIDDEN, Examples, Floats, HeadRecipe, check, fit
from fieldmark.tools.statistics.agreement import average_precision, best_threshold
from fieldmark.tools.statistics.one_standard_error import choose_simplest

RECIPES = (HeadRecipe(0, 1e-1), HeadRecipe(0, 1e-2), HeadRecipe(0, 1e-3), HeadRecipe(HIDDEN, 1e-3))
"""What competes, the simplest first."""
FOLDS = 4
LEAST_DRAWN = 10
"""Images of each kind that must have been drawn at random before calibration looks at those alone."""


@dataclass(frozen=True)
class Contender:
    """One of the heads that competed.

    Attributes:
        recipe: How its network is fitted.
        route: Where its score comes from.
        precision: Average precision against the annotations, one number a fold.
    """

    recipe: HeadRecipe
    route: Route
    precision: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over folds."""
        return float(np.mean(self.precision))


@dataclass(frozen=True)
class Fitted:
    """A chosen head and how it was chosen.

    Attributes:
        head: The head, fitted to all examples, calibrated.
        chosen: The one of `contenders` that it is.
        contenders: All that competed, the simplest first.
        out_of_fold: Calibrated probability of each example, from networks that had not seen it `[N]`.
        counted: What each example counted in calibration and for the threshold `[N]`.
        examples: The examples.
    """

    head: Head
    chosen: Contender
    contenders: tuple[Contender, ...]
    out_of_fold: Tensor
    counted: Tensor
    examples: Examples


def choose_head(
    examples: Examples,
    definition: Definition,
    *,
    texts: Tensor | None = None,
    costs: Costs | None = None,
    recipes: Sequence[HeadRecipe] = RECIPES,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Fitted:
    """Fit, choose, calibrate.

    The best by mean average precision over folds wins, unless a simpler one falls short of it by less than
    one standard error of the paired differences. Calibration (Platt 1999) and threshold come from the
    out-of-fold scores of the chosen one.

    Args:
        examples: Annotated vectors, a column of `clauses` for each active clause.
        definition: The clauses.
        texts: Vectors `[M, D]` of texts that speak of the clauses, see `training.fit`.
        costs: Of mistakes; None sets the threshold by F1.
        recipes: Networks that compete, the simplest first; each by its own output and, where there are
            clauses, by their logic.
        seed: Decides folds and starting points.
        progress: Called with how many of how many heads are fitted.

    Raises:
        InputError: See `training.check`.
    """
    check(examples)
    routes: tuple[Route, ...] = ("direct", "logic") if definition.active else ("direct",)
    fold = stratified_folds(examples.target, FOLDS, seed)
    raw = torch.zeros(len(recipes), len(routes), len(examples))
    folds = int(fold.max()) + 1
    heads = folds * len(recipes) + 1
    for number in range(folds):
        inside, held = (fold != number).nonzero()[:, 0], (fold == number).nonzero()[:, 0]
        for r, recipe in enumerate(recipes):
            logits = fit(examples.rows(inside), recipe, texts=texts, seed=seed)(examples.vectors[held])
            for w, route in enumerate(routes):
                raw[r, w, held] = concept_logits(logits, route, definition)
            progress(number * len(recipes) + r + 1, heads)
    contenders = [
        Contender(recipe, route, _precisions(raw[r, w], examples, fold))
        for r, recipe in enumerate(recipes)
        for w, route in enumerate(routes)
    ]
    best = choose_simplest([contender.precision for contender in contenders]).chosen
    chosen = contenders[best]
    scores = raw.reshape(len(contenders), -1)[best]
    share = calibration_weight(examples)
    slope, intercept = platt(scores, examples.target, share)
    p = torch.sigmoid(slope * scores + intercept)
    threshold = best_threshold(
        examples.target.numpy(),
        p.numpy(),
        weights=share.numpy(),
        false_positive=costs and costs.false_positive,
        false_negative=costs and costs.false_negative,
    )
    head = Head(
        fit(examples, chosen.recipe, texts=texts, seed=seed),
        chosen.route,
        definition,
        slope=slope,
        intercept=intercept,
        threshold=min(max(threshold, 0.0), 1.0),
    )
    progress(heads, heads)
    return Fitted(head, chosen, tuple(contenders), p, share, examples)


def calibration_weight(examples: Examples) -> Tensor:
    """What each example counts in calibration `[N]`: what it stands for, where enough were drawn at random.

    Mined images are likelier "in" than the pool's: probabilities fitted to them would be too high. However
    much an example counts in fitting, here it counts for no more than what it stands for: a few labels of the
    owner, on images that were shown for being hard, would decide the threshold of the whole pool.
    """
    trust = examples.weight.clamp(max=1.0)
    drawn = trust * examples.stands_for
    inside = (examples.target >= 0.5) & (drawn > 0)
    outside = (examples.target < 0.5) & (drawn > 0)
    enough = min(int(inside.sum()), int(outside.sum())) >= LEAST_DRAWN
    return drawn if enough else trust


def stratified_folds(target: Tensor, folds: int, seed: int) -> Tensor:
    """Fold of each example `[N]` int64, "in" and "out" dealt out evenly; at least two folds."""
    inside = target >= 0.5
    least = min(int(inside.sum()), int((~inside).sum()))
    folds = max(2, min(folds, least))
    fold = torch.zeros(len(target), dtype=torch.int64)
    for number, kind in enumerate((inside, ~inside)):
        rows = kind.nonzero()[:, 0].tolist()
        Random(f"folds {seed} {number}").shuffle(rows)
        fold[rows] = torch.arange(len(rows)) % folds
    return fold


def platt(scores: Tensor, target: Tensor, weight: Tensor) -> tuple[float, float]:
    """Slope and intercept of the log-odds, by weighted cross-entropy with Platt's smoothed targets (1999)."""
    from scipy.optimize import minimize  # takes a moment, and most who come here only load a head
    from scipy.special import expit

    counted = weight / weight[weight > 0].mean()
    inside, outside = float((counted * target).sum()), float((counted * (1 - target)).sum())
    high, low = (inside + 1) / (inside + 2), 1 / (outside + 2)
    soft = (target * high + (1 - target) * low).double().numpy()
    wide = scores.double().numpy()
    share = (weight / weight.sum()).double().numpy()

    def value(line: Floats) -> tuple[float, Floats]:
        logits = line[0] * wide + line[1]
        wrong = share * (expit(logits) - soft)
        loss = (share * (np.logaddexp(0.0, logits) - soft * logits)).sum()
        return float(loss), np.array([(wrong * wide).sum(), wrong.sum()])

    options = {"maxiter": 100, "ftol": 1e-14, "gtol": 1e-9}
    slope, intercept = minimize(value, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", options=options).x
    return float(slope), float(intercept)


def _precisions(scores: Tensor, examples: Examples, fold: Tensor) -> tuple[float, ...]:
    truth = (examples.target >= 0.5).double().numpy()
    values: list[float] = []
    for number in range(int(fold.max()) + 1):
        held = (fold == number).numpy()
        weights = examples.weight.double().numpy()[held][None]
        values.append(float(average_precision(truth[held], scores.double().numpy()[held], weights)[0]))
    return tuple(values)
