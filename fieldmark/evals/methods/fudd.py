"""FuDD: classes that an image may be, compared by what sets each two apart; four ways to choose them."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from fieldmark.agents.shared.estimate import longest_first
from fieldmark.evals.methods.shared.probabilities import calibrate
from fieldmark.evals.methods.shared.questions import pair_captions, pairs_within
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.differentiate import ask_differentiate
from fieldmark.tools.books.templates import fill
from fieldmark.tools.scoring.candidates import (
    CandidateRule,
    Conformal,
    Margin,
    TopK,
    class_probabilities,
    spread_temperature,
)
from fieldmark.tools.scoring.fudd import fudd_all_scores, fudd_scores_within
from fieldmark.tools.scoring.prototype import ensemble_scores

FIRST = "A photo of a {}."
"""The authors' first step, capital and all."""
K = 10
ALPHA = 0.1
"""Share of images whose true class conformal candidates may lose."""


def by_differences(candidates_of: Callable[[EvalBench], Tensor]) -> Run:
    """Choose candidates by the first step, ask about every pair of them, score within them."""

    async def run(bench: EvalBench) -> MethodScores:
        candidates = candidates_of(bench)
        captions = await pair_captions(pairs_within(candidates), bench)
        scores = fudd_scores_within(bench.vectors, bench.encode, candidates, captions, first_texts(bench))
        return MethodScores(scores=bench.logit_scale * scores, candidates=candidates)

    return run


async def by_all_differences(bench: EvalBench) -> MethodScores:
    """The authors' all-classes mode: every class by all that was said of it in pairs of the k best."""
    captions = await pair_captions(pairs_within(k_best(bench)), bench)
    scores = fudd_all_scores(bench.vectors, bench.encode, captions, first_texts(bench))
    return MethodScores(scores=bench.logit_scale * scores)


def k_best(bench: EvalBench) -> Tensor:
    """The ten best of the first step `[N, C]` bool, as the authors choose."""
    return _all_within(TopK(k=K), first_scores(bench, bench.vectors))


def within_a_margin(bench: EvalBench) -> Tensor:
    """Classes not far behind the best of the first step `[N, C]` bool, at most ten.

    The probabilities are spread over as many rivals as may stay: sharper ones would trust the names alone.
    """
    first = first_scores(bench, bench.vectors)
    return _all_within(Margin(k=K), class_probabilities(first, spread_temperature(first, rivals=K)))


def conformal(bench: EvalBench) -> Tensor:
    """Classes that labelled images do not rule out `[N, C]` bool; an image may be left with none."""
    first = first_scores(bench, bench.train_vectors)
    labelled = calibrate(first, bench.train_labels, seed=bench.seed)
    rule = Conformal.calibrate(labelled.held_out, labelled.labels, alpha=ALPHA)
    return _all_within(rule, labelled.probabilities(first_scores(bench, bench.vectors)))


def pairs_of_all(test: TestSet) -> tuple[FollowUps, ...]:
    """The same where an image may be any class."""
    classes = len(test.classes)
    (pairs,) = pairs_of_ten(test)
    return (replace(pairs, most=classes * (classes - 1) // 2),)


def pairs_of_ten(test: TestSet) -> tuple[FollowUps, ...]:
    """Every pair of classes that an image may be: the same questions for all methods that compare pairs."""
    classes, kept = len(test.classes), min(K, len(test.classes))
    most = min(classes * (classes - 1) // 2, len(test.images) * kept * (kept - 1) // 2)
    first, second = longest_first(test.classes)[:2]
    return (FollowUps(name="pairs", most=most, longest=(ask_differentiate(first, second, noun=test.noun),)),)


def first_texts(bench: EvalBench) -> list[str]:
    """The first step's text of each class."""
    return [text for name in bench.classes for text in fill([FIRST], name)]


def first_scores(bench: EvalBench, vectors: Tensor) -> Tensor:
    """The first step's logits `[N, C]`."""
    texts = [[text] for text in first_texts(bench)]
    return ensemble_scores(vectors, bench.encode, texts, logit_scale=bench.logit_scale)


def _all_within(rule: CandidateRule, scores: Tensor) -> Tensor:
    return rule(scores, torch.ones_like(scores, dtype=torch.bool))


_NEEDS = frozenset({MethodNeed.NAMES, MethodNeed.LLM})
PAIRS = "asks about every pair of classes that some image may be: up to C(C - 1) / 2 questions"


def _method(key: str, title: str, run: Run, *, transductive: bool = False) -> EvalMethod:
    return EvalMethod(
        key=key,
        title=title,
        source="Esfandiarpoor & Bach 2024",
        needs=_NEEDS,
        run=run,
        transductive=transductive,
        scale=PAIRS,
        follows=pairs_of_ten,
    )


METHODS = (
    _method("fudd", f"FuDD, the {K} best", by_differences(k_best)),
    _method(
        "fudd-margin", "FuDD, classes within a margin", by_differences(within_a_margin), transductive=True
    ),
    replace(
        _method("fudd-conformal", "FuDD, conformal candidates", by_differences(conformal)),
        needs=_NEEDS | {MethodNeed.LABELS},
        seeded=True,
        follows=pairs_of_all,
        version="2",
    ),
    replace(
        _method("fudd-all", f"FuDD, all classes by the pairs of the {K} best", by_all_differences),
        version="2",
    ),
)
