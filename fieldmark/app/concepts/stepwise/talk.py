"""A conversation in steps, for fronts that cannot wait in a loop: see the question, keep an answer.

Nothing here loads a model or a graph. What follows from an answer is for `stepping`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fieldmark.agents.define.waiting import Waiting, moved_on, read_heard, read_waiting
from fieldmark.errors import RunError
from fieldmark.records import Concept
from fieldmark.records.conversation import ConversationQuestion, ConversationReply, DefineStop
from fieldmark.tools.concepts.folder import ConceptFolder


class StaleAnswer(RunError):
    """An answer to a question that does not wait any more; nothing was noted.

    Attributes:
        heard: What was answered to this very question, where that was the latest answer.
    """

    def __init__(self, heard: ConversationReply | None = None) -> None:
        super().__init__(
            "This question does not wait for an answer any more; nothing was noted.",
            hint="It was answered in another window or in a terminal, or the definition was changed.",
        )
        self.heard = heard


@dataclass(frozen=True)
class Talk:
    """Where a conversation is.

    Attributes:
        question: The question that waits for an answer; None where something else is to be done first.
        begun: Whether it was ever begun.
        answered: Whether an answer is kept that is not taken in yet.
        moved_on: Whether another version was put in force since the last question.
        over: Whether it is over.
        stop_reason: Why it ended.
        hinders: What still hinders the end, the budget last.
    """

    question: ConversationQuestion | None = None
    begun: bool = False
    answered: bool = False
    moved_on: bool = False
    over: bool = False
    stop_reason: DefineStop | None = None
    hinders: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: ConceptFolder, concept: Concept) -> "Talk":
        """Where the conversation about a concept is.

        Raises:
            RunError: What was written down of it is damaged.
        """
        waits = read_waiting(folder) or Waiting()
        heard, put = read_heard(folder), waits.question
        begun = folder.checkpoint.is_file()
        answered = bool(put and heard and heard.turn == put.turn)
        changed = put is not None and moved_on(concept, version=waits.version, question=put)
        return cls(
            question=None if answered or changed else put,
            begun=begun,
            answered=answered,
            moved_on=changed,
            over=begun and put is None and waits.version > 0,
            stop_reason=waits.stop_reason,
            hinders=waits.hinders,
        )


@contextmanager
def answering(folder: ConceptFolder, turn: str) -> Iterator[ConversationQuestion]:
    """The question that waits, held alone while what is said to it is kept (see `keep_reply`).

    Args:
        folder: The concept's folder.
        turn: The question that is answered.

    Raises:
        StaleAnswer: Another question waits by now, or none.
        RunError: Another process works on the concept.
    """
    with folder.writing():
        question = Talk.of(folder, folder.load()).question
        if question is None or question.turn != turn:
            heard = read_heard(folder)
            raise StaleAnswer(heard.reply if heard is not None and heard.turn == turn else None)
        yield question
