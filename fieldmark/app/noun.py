"""Settles the generic noun of a run: as given, from the book, as asked, or a plain one."""

from collections.abc import Sequence

from fieldmark.errors import QuestionFailed
from fieldmark.prompts.noun import ask_noun
from fieldmark.records import Record
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import NounNotFound, Progress
from fieldmark.tools.runs.folder import RunFolder

SETTLED = "settled.json"


class Settled(Record):
    """The generic noun of a run, kept for when the run is resumed."""

    noun: str
    note: str = ""
    """What a reader must know of it; empty where it was answered."""


async def settle_noun(
    classes: Sequence[str],
    *,
    given: str | None,
    plain: str,
    llm: AskedModel | None,
    run: RunFolder,
    progress: Progress,
) -> Settled:
    """The generic noun, settled once for the whole run, in whose folder it is kept.

    Args:
        classes: The class names.
        given: The noun where it needs no asking.
        plain: The noun where nobody can be asked, or the answer is of no use.
        llm: Whom to ask; None asks nobody.
        run: The run.
        progress: Told where the answer was of no use.

    Raises:
        LimitReached: A limit kept the question back.
        QuestionFailed: The endpoint gave no answer, which another day may bring. Another noun after a
            resume would ask and search anew, so that there is none yet.
    """
    if given is not None:
        return Settled(noun=given)
    if (run.path / SETTLED).is_file():
        return run.read(SETTLED, Settled)
    if llm is None:
        return Settled(noun=plain)
    try:
        settled = Settled(noun=(await llm.ask(ask_noun(classes))).value.noun)
    except QuestionFailed as error:
        if error.retryable:
            raise
        progress(NounNotFound(reason=str(error)))
        note = f"Which noun fits all classes was not answered; {plain!r} was taken."
        settled = Settled(noun=plain, note=note)
    run.write(SETTLED, settled)
    return settled
