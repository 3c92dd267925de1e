"""CHiLS: a class is found by the likeliest of its kinds, which a language model names."""

from fieldmark.evals.methods.knowledge import answers
from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.records import QuestionSpec
from fieldmark.tools.books.templates import PLAIN, fill_phrase
from fieldmark.tools.scoring.chils import chils_scores, subclass_names


async def by_kinds(bench: Bench) -> MethodScores:
    """Each class by its kinds, itself among them; a class whose kinds are not known stands for itself."""
    specs = [QuestionSpec(kind="subclasses", classes=(name,)) for name in bench.classes]
    notes = await answers(specs, bench)
    kinds = {note.spec.classes[0]: note.words for note in notes}
    sets = subclass_names(bench.classes, kinds)
    lone = sum(not words for words in kinds.values())
    if lone:
        bench.notes.append(f"{lone} of {len(kinds)} classes have no kinds and stand for themselves")
    scores = chils_scores(
        bench.vectors,
        bench.encode,
        [[fill_phrase(PLAIN, name)] for name in bench.classes],
        [[[fill_phrase(PLAIN, kind)] for kind in own] for own in sets],
        logit_scale=bench.logit_scale,
    )
    return MethodScores(scores=scores)


METHODS = (
    Method(
        key="chils",
        title="CHiLS, kinds of each class",
        source="Novack et al. 2023",
        needs=frozenset({Need.NAMES, Need.LLM}),
        run=by_kinds,
    ),
)
