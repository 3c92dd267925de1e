"""Drives the define graph: hands its questions to an owner, keeps each answer before the graph goes on."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol, Self

from langgraph.types import Command, StateSnapshot

from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.ending import what_hinders
from fieldmark.agents.define.graph import DefineState, build_graph
from fieldmark.agents.define.progress import labels_given, progress_so_far, read_progress
from fieldmark.agents.define.state import OpenScope
from fieldmark.agents.define.waiting import WAITING, Waiting, keep_reply, moved_on, read_heard
from fieldmark.agents.shared.checkpoints import earlier_state, open_checkpoint, state_of
from fieldmark.errors import FieldmarkError, RunError
from fieldmark.records import Board, Clause, ClauseVerdict, Concept, DefinitionEdit
from fieldmark.records.conversation import (
    PAYLOADS,
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
    Flip,
    Heard,
    ImageLabel,
    LabelReply,
    OfferReply,
    Response,
    RevealedImage,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import blind_labels

THREAD = "define"
STEPS_A_BOARD = 80
HELD_TYPES = (
    BlindBatch, Board, BoardToLabel, Clause, ClauseVerdict, DefineState, DefinitionEdit, EditOffer, Flip,
    Heard, ImageLabel, LabelReply, OfferReply, OpenScope, Response, VerdictReveal, RevealReply, RevealedImage,
    ScopeQuestion, ScopeReply,
)  # fmt: skip
"""The only types made from a checkpoint."""


class OwnerLeft(FieldmarkError):
    """The owner goes away now and comes back later; raised by an `Owner`, and handled by `converse`."""

    exit_code = 0


class Owner(Protocol):
    """The person or script that answers for a concept.

    Failure contract: `OwnerLeft` ends the sitting, and the question is asked again in the next one. Any other
    error is passed on, with everything answered so far kept. An answer about images that were not shown is an
    `InputError`.
    """

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        """Answer one question.

        `ScopeReply` to a `ScopeQuestion`, `LabelReply` to a `BoardToLabel` or a `BlindBatch`, `RevealReply`
        to a `VerdictReveal`, `OfferReply` to an `EditOffer`.
        """
        ...


@dataclass(frozen=True)
class Sitting:
    """How a sitting ended.

    Attributes:
        state: Where the conversation is.
        pending: The question that waits for an answer; None where the conversation is over.
    """

    state: DefineState
    pending: ConversationQuestion | None


class Conversation(AbstractAsyncContextManager["Conversation"]):
    """One conversation, question by question; for fronts that cannot wait for an answer in a loop.

    Use it as an async context manager, by one process at a time (`ConceptFolder.writing`).

    Args:
        context: Tools and data; the checkpoint lies in the concept's folder.
    """

    def __init__(self, context: DefineContext) -> None:
        self.context = context
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        folder, server = self.context.folder, self.context.checkpoints
        self._kept = await self._closing.enter_async_context(
            open_checkpoint(folder.checkpoint, holds=HELD_TYPES, server=server)
        )
        self._graph = build_graph(self._kept.saver)
        self._config = self._kept.config(THREAD, recursion_limit=most_steps(self.context))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def begin(self, *, anew: bool = False) -> ConversationQuestion | None:
        """Begin, or take up where an earlier process left off, up to the next question.

        An answer that was given but not taken in before a kill is taken in now. A conversation that a limit
        stopped goes on; one that is over is not begun again unless asked for. Where another version was put
        in force meanwhile, the conversation begins anew with that.

        Args:
            anew: Begin a further conversation where the last one is over, or but for its blind test.

        Returns:
            The question that waits; None where the conversation is over.
        """
        if anew:
            await self._leave_the_blind_test()
        state, ahead = await self._earlier()
        concept = self.context.concept
        start: DefineState | None = None
        if state is None:
            start = DefineState()
        elif not ahead and not anew and stopped_short(state, self.context):
            await self._kept.forget(THREAD)
            start = state.model_copy(
                update={"payload": None, "heard": None, "again": False, "later": False, "stop_reason": None}
            )
        elif (not ahead and anew) or (ahead and _moved_on(state, concept)):
            await self._kept.forget(THREAD)
            start = DefineState(
                ambiguities=asked_about(concept),
                asked=asked_count(concept),
                labels_before=0 if ahead else labels_given(concept),
            )
        elif not ahead:
            return await self._stopped(None)
        payload = await self.pending() if start is None else None
        if payload is None:
            return await self._go(start)
        heard = read_heard(self.context.folder)
        if heard and heard.turn == payload.turn:
            return await self._go(resume(heard))
        if isinstance(payload, BlindBatch) and set(payload.images) & set(blind_labels(concept)):
            # Labelled meanwhile, outside of the conversation: the next batch is laid out anew.
            await self._graph.aupdate_state(
                self._config, {"payload": None, "heard": None, "again": False}, as_node="tested"
            )
            return await self._go(None)
        return await self._stopped(payload)

    async def pending(self) -> ConversationQuestion | None:
        """The question that waits for an answer, if any."""
        return question_in(await self._snapshot())

    async def reply(self, reply: ConversationReply) -> ConversationQuestion | None:
        """Take an answer to the question that waits, and go on to the next one.

        Returns:
            The next question; None where the conversation is over.

        Raises:
            InputError: The answer does not fit the question; nothing was noted.
            RunError: No question waits.
        """
        payload = await self.pending()
        if payload is None:
            raise RunError("No question waits for an answer.")
        return await self._go(resume(keep_reply(self.context.folder, payload, reply)))

    async def state(self) -> DefineState:
        """Where the conversation is."""
        state, _ = await self._earlier()
        return state or DefineState()

    async def _leave_the_blind_test(self) -> None:
        """End a conversation that only lacks blind labels; the test waits, and what was answered counts."""
        payload = await self.pending()
        heard = read_heard(self.context.folder)
        if isinstance(payload, BlindBatch) and heard and heard.turn == payload.turn:
            payload = await self._go(resume(heard))
        if isinstance(payload, BlindBatch):
            later = {"payload": None, "heard": None, "again": False, "later": True}
            await self._graph.aupdate_state(self._config, later, as_node="tested")
            await self._go(None)

    async def _earlier(self) -> tuple[DefineState | None, bool]:
        found = await self._snapshot()
        # Not `found.next`: a kill between a node's last write and the next checkpoint leaves it empty.
        state = state_of(found.values, DefineState, self.context.folder.checkpoint) if found.values else None
        return state, bool(found.tasks)

    async def _snapshot(self) -> StateSnapshot:
        return await earlier_state(self._graph, self._config, self.context.folder.checkpoint)

    async def _go(self, start: Any) -> ConversationQuestion | None:
        await self._graph.ainvoke(start, self._config, context=self.context, durability="sync")
        return await self._stopped(await self.pending())

    async def _stopped(self, question: ConversationQuestion | None) -> ConversationQuestion | None:
        """Note where the conversation stops, for fronts that load no graph."""
        state, context = await self.state(), self.context
        progress = read_progress(context.folder.path)
        if progress is None or not state.boards:
            progress = progress_so_far(state, context.folder.path, context.concept, context.options)
        hinders = what_hinders(progress.model_copy(update={"stop_reason": state.stop_reason}))
        if isinstance(question, BoardToLabel):
            hinders = question.hinders
        stopped = Waiting(
            question=question, version=state.version, stop_reason=state.stop_reason, hinders=hinders
        )
        context.folder.write(WAITING, stopped)
        return question


async def converse(
    context: DefineContext, owner: Owner, *, one_board: bool = False, anew: bool = False
) -> Sitting:
    """Talk with an owner until the conversation is over or the owner leaves.

    Args:
        context: Tools and data.
        owner: Who answers.
        one_board: Leave once a board is done with, before the next one or the blind test.
        anew: Begin a further conversation where the last one is over, or but for its blind test.

    Returns:
        How it ended. Every answer is in the concept's folder before the next question is asked.

    Raises:
        EndpointError: A model cannot be asked; the conversation goes on from here another time.
    """
    async with Conversation(context) as conversation:
        payload = await conversation.begin(anew=anew)
        boards = 0
        while payload is not None:
            boards += isinstance(payload, BoardToLabel)
            if one_board and (isinstance(payload, BlindBatch) or boards > 1):
                break
            try:
                reply = await owner.answer(payload)
            except OwnerLeft:
                break
            payload = await conversation.reply(reply)
        return Sitting(await conversation.state(), payload)


def question_in(found: StateSnapshot) -> ConversationQuestion | None:
    """The question at which a graph waits, if any."""
    waiting = [each.value for task in found.tasks for each in task.interrupts]
    return PAYLOADS.validate_python(waiting[0]) if waiting else None


def resume(heard: Heard) -> Command[Any]:
    """What the graph is resumed with."""
    return Command(resume=heard.model_dump(mode="json"))


def _moved_on(state: DefineState, concept: Concept) -> bool:
    return moved_on(concept, version=state.version, question=state.payload)


def stopped_short(state: DefineState, context: DefineContext) -> bool:
    """Whether a limit of one sitting ended the conversation, or a want of images that is over."""
    most = context.options.calls
    if state.stop_reason == "no_images":
        return any(context.pool.images[row].path.is_file() for row in context.free_rows(context.concept))
    return state.stop_reason == "calls" and (most is None or state.spent < most)


def asked_about(concept: Concept) -> tuple[str, ...]:
    """What earlier boards were about."""
    return tuple(dict.fromkeys(d.question for d in concept.decisions if d.kind == "board" and d.question))


def asked_count(concept: Concept) -> int:
    """Questions that were asked about the concept."""
    return sum(decision.kind == "scope" for decision in concept.decisions)


def most_steps(context: DefineContext) -> int:
    """A bound on the steps between two answers; the graph's loops count for themselves."""
    return STEPS_A_BOARD + 4 * context.options.blind
