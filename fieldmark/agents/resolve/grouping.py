"""Has the language model group the classes into a tree of depth two."""

from collections.abc import Sequence

from fieldmark.errors import InputError, QuestionFailed
from fieldmark.prompts.family import Families, ask_families, families_of
from fieldmark.records import AnswerStatements, Question
from fieldmark.tools.annotate.concurrency import map_concurrently
from fieldmark.tools.datasets.class_tree import ClassTree, tree_of_families
from fieldmark.tools.llm.chat import LanguageModel, concurrency_of


async def ask_tree(classes: Sequence[str], *, noun: str, llm: LanguageModel) -> tuple[ClassTree, str]:
    """Ask for the groups, in one question for at most 64 classes.

    Args:
        classes: The class names, checked.
        noun: The generic word for all classes; it becomes the root.
        llm: Whom to ask.

    Returns:
        The tree, and a note on what was left out of the answers; empty where nothing was.

    Raises:
        InputError: The answer is of no use.
        LimitReached: A limit kept a question back.
        QuestionFailed: The endpoint gave no answer, which another day may bring.
    """

    async def stated(question: Question[Families]) -> AnswerStatements:
        return families_of((await llm.ask(question)).value, question.about)

    questions = ask_families(classes, noun=noun)
    try:
        answers = await map_concurrently(questions, stated, concurrency=concurrency_of(llm))
        families = [family for answer in answers for family in answer.families]
        tree = tree_of_families(families, classes, root=noun)
    except (QuestionFailed, InputError) as error:
        if isinstance(error, QuestionFailed) and error.retryable:
            raise
        raise InputError(
            f"The language model's groups cannot be used: {error.message}",
            hint="Give the tree in a file, or have it asked anew.",
            field="tree",
        ) from error
    dropped = sum(sum(answer.dropped.values()) for answer in answers)
    rows = "1 entry of the groups was" if dropped == 1 else f"{dropped} entries of the groups were"
    return tree, f"{rows} left out: a class for the second time, or no class." if dropped else ""
