"""The question for a better text in the place of one that a model works by, and its answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from fieldmark.prompts.answer_fields import COMMANDS, AnswerModel, Prose, sent_bound
from fieldmark.prompts.loader import question_from
from fieldmark.prompts.rules import MOST_CHARACTERS
from fieldmark.records.questions import Question

PROMPT_ID = "reword.v1"
CLAUSE_CHARACTERS = 300
"""Of a clause, as the definition's own edits have them."""
Use = Literal["clause", "instruction"]


def _lines(text: str) -> str:
    """A text without what commands a terminal; its lines stay, as lists of rules have them."""
    lines = (re.sub(r"[^\S\n]+$", "", line) for line in COMMANDS.sub("", text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class Rewording(AnswerModel):
    """One text in the place of another."""

    why: Annotated[Prose, Field(description="What the wrong outcomes share.")]
    rewording: Annotated[
        str, AfterValidator(_lines), sent_bound(MOST_CHARACTERS), Field(description="The whole new text.")
    ]


def ask_reword(
    text: str,
    *,
    use: Use,
    part: str,
    context: Mapping[str, Any],
    outcomes: Sequence[Mapping[str, Any]],
    sample: int = 0,
) -> Question[Rewording]:
    """Ask for a better text.

    Args:
        text: The text as it is now.
        use: What it is.
        part: What it is called: the id of a clause or of a prompt.
        context: What else the model goes by; strings, and lists and mappings of them.
        outcomes: What came of it, an image each, wrong ones first.
        sample: 0 for the first answer, 1 for another one, and so on.
    """
    most = CLAUSE_CHARACTERS if use == "clause" else MOST_CHARACTERS
    return question_from(
        PROMPT_ID,
        Rewording,
        max_tokens=700 + most // 2,
        sample=sample,
        use=use,
        text=text,
        part=part,
        context=dict(context),
        outcomes=list(outcomes),
        most=most,
    )
