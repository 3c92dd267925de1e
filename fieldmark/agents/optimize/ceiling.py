"""The ceiling of a pool: how well its units can do for a search that is shown the test images.

What it finds is a bound to print beside a result, never a result.
"""

from dataclasses import replace

import torch

from fieldmark.agents.optimize import search
from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.pool import PromptPool
from fieldmark.tools.search.candidates import PromptCandidate
from fieldmark.tools.search.fitness import top

PASSES = 2
GENERATIONS = 12


def pool_ceiling(pool: PromptPool, best: tuple[int, ...], context: OptimizeContext) -> float:
    """Test top-1 of the best book that a search finds which knows the truth about the test images.

    Args:
        pool: The units of a finished search.
        best: Its book, to start from beside the usual starting points.
        context: The search's context; a copy of it takes the test images for training images.
    """
    knowing = replace(context, train=context.test, test=(), memo={})
    vectors = search.unit_vectors(pool.units, knowing)
    _, book, _ = search.first_books(pool, vectors, knowing)
    books, _ = search.score_books({"best": best}, pool, vectors, knowing)
    book = max((book, *books), key=lambda each: each.fitness)
    seen: set[int] = set()
    number = 0
    for passes in range(1, PASSES + 1):
        for classes in search.next_groups(book, pool, vectors, passes, knowing):
            group = search.open_group(classes, book.parts, pool, vectors, knowing)
            parents: tuple[PromptCandidate, ...] = (search.inner_candidate(group, book),)
            for _ in range(GENERATIONS):
                number += 1
                parents = search.class_generation(
                    group, parents, seen=seen, number=number, context=knowing
                ).survivors
            book = max((book, search.whole_candidate(group, parents[0])), key=lambda each: each.fitness)
    matrix = search.class_matrix(book.parts, pool, vectors)
    logits = context.encoder.logit_scale * (knowing.vectors @ matrix.T)
    size = torch.tensor([float(len(book.parts))])
    return float(top(search.read_outcomes(logits[None], knowing.labels, size), 1)[0])
