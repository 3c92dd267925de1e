"""MPVR: a language model first writes the questions for the task, then answers them class by class."""

from fieldmark.evals.methods.clip import by_texts
from fieldmark.evals.methods.shared.questions import answers, or_plain, portraits
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.prompts.class_questions import GENERIC_QUESTIONS
from fieldmark.records import QuestionSpec


async def by_written_questions(bench: EvalBench) -> MethodScores:
    """Portray every class by the questions that the language model wrote."""
    (note,) = await answers([QuestionSpec(kind="task_questions", classes=bench.classes)], bench)
    if not note.words:
        bench.notes.append("no questions were written for the task: generic ones stood in")
    sentences = await portraits(note.words or GENERIC_QUESTIONS, bench)
    return by_texts(bench, or_plain(sentences, bench))


METHODS = (
    EvalMethod(
        key="mpvr",
        title="MPVR, questions written for the task",
        source="Mirza et al. 2024",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_written_questions,
        scale="asks up to six questions a class",
    ),
)
