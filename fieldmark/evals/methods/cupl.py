"""CuPL: a class is what a language model says its photos show, asked generic or the domain's questions."""

from fieldmark.evals.methods.clip import by_texts
from fieldmark.evals.methods.shared.questions import or_plain, portraits
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.prompts.class_questions import GENERIC_QUESTIONS, PLACE
from fieldmark.tools.books.templates import IMAGENET_80, fill

_SOURCE = "Pratt et al. 2023"


async def by_generic_questions(bench: EvalBench) -> MethodScores:
    """Base: three questions that fit classes of every kind."""
    return by_texts(bench, or_plain(await portraits(GENERIC_QUESTIONS, bench), bench))


async def by_own_questions(bench: EvalBench) -> MethodScores:
    """Full: the questions of the domain."""
    return by_texts(bench, or_plain(await portraits(own_questions(bench), bench), bench))


async def with_templates(bench: EvalBench) -> MethodScores:
    """Sentences and templates in one list, each text counting the same."""
    sentences = await portraits(own_questions(bench), bench)
    templates = bench.test.templates or IMAGENET_80
    texts = [[*fill(templates, name), *own] for name, own in zip(bench.classes, sentences, strict=True)]
    return by_texts(bench, texts)


def own_questions(bench: EvalBench) -> tuple[str, ...]:
    """The questions of the domain; the generic ones, with a note, where it has none."""
    if not bench.test.questions:
        bench.notes.append("the domain has no questions of its own: the generic ones stood in")
    own = tuple(question.replace("{}", PLACE, 1) for question in bench.test.questions)
    return own or GENERIC_QUESTIONS


_NEEDS = frozenset({MethodNeed.NAMES, MethodNeed.LLM})

METHODS = (
    EvalMethod(
        key="cupl-base",
        title="CuPL, three generic questions",
        source=_SOURCE,
        needs=_NEEDS,
        run=by_generic_questions,
    ),
    EvalMethod(
        key="cupl", title="CuPL, the domain's questions", source=_SOURCE, needs=_NEEDS, run=by_own_questions
    ),
    EvalMethod(
        key="cupl-e", title="CuPL, sentences and templates", source=_SOURCE, needs=_NEEDS, run=with_templates
    ),
)
