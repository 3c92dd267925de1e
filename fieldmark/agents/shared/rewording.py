"""Asks for a better text and reads the answer; notes what a search for words did."""

from fieldmark.errors import QuestionFailed
from fieldmark.prompts.reword import CLAUSE_CHARACTERS, Rewording
from fieldmark.prompts.rules import unusable
from fieldmark.records import Question, TriedWords, WordsSearch
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.search.pareto import FoundWords, Proposal


async def proposal(question: Question[Rewording], llm: LanguageModel, *, rules: bool) -> Proposal:
    """Ask for a better text; an answer that cannot be used has none, and says why.

    Args:
        question: See `ask_reword`.
        llm: Who is asked.
        rules: Whether the text is the rules of a question; else it is a clause, one line of it.

    Raises:
        EndpointError: No question can be answered.
        LimitReached: Before a call that would pass a limit.
    """
    try:
        said = (await llm.ask(question)).value
    except QuestionFailed as error:
        return Proposal(None, error.code)
    text = said.rewording if rules else " ".join(said.rewording.split())
    why_not = unusable(text)
    if not rules and not why_not and len(text) > CLAUSE_CHARACTERS:
        why_not = "too long"
    return Proposal(None, why_not) if why_not else Proposal(text, said.why)


def record_of(
    found: FoundWords,
    *,
    subject: str,
    llm: LanguageModel,
    budget: int,
    seed: int,
    labels: int,
    held_out: int,
) -> WordsSearch:
    """What a search did, as a record."""
    return WordsSearch(
        subject=subject,
        model=str(getattr(llm, "model", "")),
        calls=found.calls,
        budget=budget,
        seed=seed,
        labels=labels,
        held_out=held_out,
        right=found.held_out,
        tried=tuple(TriedWords(**each._asdict()) for each in found.trials),
        failed=dict(found.failed),
    )
