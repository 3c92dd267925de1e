"""Judges an image in steps: a caption, each clause as a question, and a weighing without the image."""

from collections.abc import Sequence
from typing import Any

from fieldmark.prompts.judge import Judgement
from fieldmark.prompts.steps import ClauseAnswer, ClauseAnswers, ask_caption, ask_inquire, ask_weigh
from fieldmark.records import Clause, Question
from fieldmark.tools.annotate.image_asker import PICTURE, WORDS, ImageAsker, Unanswered
from fieldmark.tools.images.files import ImageFile

STEPS = 3
"""Questions an image; two of them show it."""


async def judged_in_steps(
    asker: ImageAsker, image: ImageFile, clauses: Sequence[Clause], *, sample: int = 0
) -> Judgement | Unanswered:
    """Judge an image in steps; each is remembered as any question is, so that none is asked twice.

    Args:
        asker: The model.
        image: The image.
        clauses: The clauses.
        sample: 0 for the first answers, 1 for second ones, and so on.

    Returns:
        What one question about all of it would give: the caption as what is seen, findings, the reason.
        Where a step has no answer, why.

    Raises:
        EndpointError: See `ImageAsker.ask`.
        LimitReached: See `ImageAsker.ask`.
    """
    shown = await asker.ask(image, lambda part: ask_caption(part, clauses, sample=sample))
    if isinstance(shown, str):
        return shown
    said = await asker.ask(image, lambda part: ask_inquire(part, clauses, shown.shows, sample=sample))
    if isinstance(said, str):
        return said
    weighed = await asker.ask_in_words(image, ask_weigh(clauses, shown.shows, said, sample=sample))
    if isinstance(weighed, str):
        return weighed
    return Judgement(seen=shown.shows, findings=weighed.findings, rationale=weighed.rationale)


def steps_foretold(clauses: Sequence[Clause]) -> tuple[Question[Any], ...]:
    """The questions that one image takes, with words of usual length in the place of what will be said."""
    answers = [ClauseAnswer(clause=clause.id, evidence=WORDS[:100], answer="yes") for clause in clauses]
    return (
        ask_caption(PICTURE, clauses),
        ask_inquire(PICTURE, clauses, WORDS),
        ask_weigh(clauses, WORDS, ClauseAnswers(answers=answers)),
    )
