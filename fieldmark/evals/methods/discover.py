"""`fieldmark discover` by captions: names groups of alike images, without labels or class names."""

from fieldmark.evals.methods.cased import FALLBACK
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed


async def by_groups(bench: EvalBench) -> MethodScores:
    """The name of each image's group: as many groups as the images suggest, names out of captions.

    Images of a group that no caption names are called "object", as CaSED's are.
    """
    # They import scipy.cluster, which takes a while, and few callers come here.
    from fieldmark.tools.discovery.groups import find_groups
    from fieldmark.tools.discovery.mentions import mentions_of
    from fieldmark.tools.discovery.names import name_groups

    groups = find_groups(bench.vectors)
    captions = tuple(dict.fromkeys(bench.captions))
    found = name_groups(
        bench.vectors,
        groups,
        bench.encode,
        logit_scale=bench.logit_scale,
        mentions=mentions_of(bench.vectors, groups, captions, bench.encode(captions)),
    )
    names = [FALLBACK] * len(bench.images)
    for group in found:
        for image in group.images.tolist():
            names[image] = group.name or FALLBACK
    figures = {"groups": float(len(found)), "sure": float(sum(group.sure for group in found))}
    return MethodScores(names=tuple(names), diagnostics=figures)


METHODS = (
    EvalMethod(
        key="discover",
        title="Groups of images, named by captions",
        source="Fieldmark",
        needs=frozenset({MethodNeed.CAPTIONS}),
        run=by_groups,
        transductive=True,
    ),
)
