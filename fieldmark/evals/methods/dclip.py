"""Classification by description: DCLIP with its three ways to pool."""

from torch import Tensor

from fieldmark.evals.methods.shared.questions import descriptors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run, TextSum
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.scoring.dclip import Pool, descriptor_prompts, mean_cosine_scores


def by_descriptors(pool: Pool) -> Run:
    """Pool the cosines with each class's descriptors."""

    async def run(bench: EvalBench) -> MethodScores:
        phrases = await descriptors(bench)
        prompts = descriptor_prompts(dict(zip(bench.classes, phrases, strict=True)))
        scores = mean_cosine_scores(bench.vectors, bench.encode, list(prompts.values()), pool=pool)
        texts = TextSum(list(prompts.values()), "mean_cosine") if pool == "mean" else None
        return MethodScores(scores=bench.logit_scale * scores, texts=texts)

    return run


async def described(bench: EvalBench) -> tuple[Tensor, Tensor]:
    """DCLIP's logits of the test images `[N, C]` and of the labelled ones `[S, C]`."""
    phrases = await descriptors(bench)
    prompts = list(descriptor_prompts(dict(zip(bench.classes, phrases, strict=True))).values())
    scores, train = (
        bench.logit_scale * mean_cosine_scores(vectors, bench.encode, prompts)
        for vectors in (bench.vectors, bench.train_vectors)
    )
    return scores, train


_POOLS: tuple[tuple[str, Pool], ...] = (("dclip", "mean"), ("dclip-sum", "sum"), ("dclip-max", "max"))

METHODS = tuple(
    EvalMethod(
        key=key,
        title=f"DCLIP, {pool} of cosines",
        source="Menon & Vondrick 2023",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_descriptors(pool),
    )
    for key, pool in _POOLS
)
