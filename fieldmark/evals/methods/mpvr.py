"""MPVR: a language model first writes the questions for the task, then answers them class by class."""

from fieldmark.agents.shared.estimate import longest_first
from fieldmark.evals.methods.clip import by_texts
from fieldmark.evals.methods.shared.questions import answers, or_plain, portraits
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps, MethodScores
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.class_questions import GENERIC_QUESTIONS
from fieldmark.prompts.portray import ask_portray
from fieldmark.records import QuestionSpec

MOST_WRITTEN = 6
"""The most questions that are written for a task."""


async def by_written_questions(bench: EvalBench) -> MethodScores:
    """Portray every class by the questions that the language model wrote."""
    (note,) = await answers([QuestionSpec(kind="task_questions", classes=bench.classes)], bench)
    if not note.words:
        bench.notes.append("no questions were written for the task: generic ones stood in")
    sentences = await portraits(note.words or GENERIC_QUESTIONS, bench)
    return by_texts(bench, or_plain(sentences, bench))


def written_later(test: TestSet) -> tuple[FollowUps, ...]:
    """Each class by each question that may be written."""
    name = longest_first(test.classes)[0]
    question = ask_portray(name, max(GENERIC_QUESTIONS, key=len), noun=test.noun)
    return (FollowUps(name="written", most=MOST_WRITTEN * len(test.classes), longest=(question,)),)


METHODS = (
    EvalMethod(
        key="mpvr",
        title="MPVR, questions written for the task",
        source="Mirza et al. 2024",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_written_questions,
        follows=written_later,
        scale="asks up to six questions a class",
    ),
)
