"""How far a conversation about a concept is, and what every node does with questions and answers."""

from typing import Annotated, Any, Protocol, TypeVar

from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field

from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.record import check_reply, new_turn
from fieldmark.errors import LimitReached, RunError
from fieldmark.records import Board, DefinitionEdit, Record
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    DefineStop,
    EditOffer,
    Heard,
    ScopeQuestion,
    VerdictReveal,
)
from fieldmark.tools.runs.concept_events import LimitStopped


class OpenScope(Record):
    """A question that is still to be asked."""

    question: str
    about: str
    options: tuple[str, ...] = ()


class DefineState(BaseModel):
    """What a checkpoint holds: counts, hashes and small records; never vectors, verdicts of many, or clients.

    The concept's record holds what was said and decided; this only knows how far the conversation is.
    """

    model_config = ConfigDict(frozen=True)

    payload: Annotated[ConversationQuestion | None, Field(discriminator="kind")] = None
    """What the owner is asked, or was asked last."""
    heard: Heard | None = None
    """The answer to it."""
    again: bool = False
    """Whether the question under way is asked a second time."""
    questions: tuple[OpenScope, ...] = ()
    """Questions about the concept that are still open."""
    asked: int = 0
    """Questions asked about the concept."""
    version: int = 0
    """Number of the version in force, as the graph left it."""
    mined: str = ""
    """Hash of the images found for it."""
    board: Board | None = None
    """The board under way, with the images that came back among the others."""
    boards: int = 0
    """Boards laid out."""
    ambiguities: tuple[str, ...] = ()
    """What they were about."""
    candidates: tuple[DefinitionEdit, ...] = ()
    """Edits that may still be offered after this board."""
    offers: int = 0
    """Edits offered after this board."""
    accepted: int = 0
    """Edits accepted after this board."""
    labels_before: int = 0
    """Labels outside of the blind test that there were when the conversation began."""
    unverified: int = 0
    """Number of the version before the edits that no board has put to the test; 0 where there are none."""
    quiet: int = 0
    """Boards in a row without an accepted edit."""
    spent: int = 0
    """Questions to the models that had to be asked, so far."""
    failures: int = 0
    """Questions to the language model that got no usable answer."""
    leaving: bool = False
    """Whether the owner wants no more boards."""
    later: bool = False
    """Whether the rest of the blind test waits for another day."""
    stop_reason: DefineStop | None = None
    due: str = ""
    """The node that a limit stopped, so that what the owner said before it is not lost."""


Context = Runtime[DefineContext]
Update = dict[str, Any]
DefineGraph = CompiledStateGraph[DefineState, DefineContext, DefineState, DefineState]
P = TypeVar("P", ScopeQuestion, BoardToLabel, VerdictReveal, EditOffer, BlindBatch)


class Node(Protocol):
    """A node that asks models."""

    async def __call__(self, state: DefineState, runtime: Context) -> Update:
        """What it changes of the state."""
        ...


def within_limits(node: Node) -> Node:
    """Let a node that asks models end the conversation where a limit does; what was answered is kept."""
    name = getattr(node, "__name__", "")

    async def bounded(state: DefineState, runtime: Context) -> Update:
        before = runtime.context.asked
        due = ""
        try:
            update = await node(state, runtime)
        except LimitReached as error:
            runtime.context.progress(LimitStopped(reason=error.message))
            update, due = {"stop_reason": "calls"}, name
        spent = state.spent + runtime.context.asked - before
        return {"spent": spent, "due": due} | update

    return bounded


def hear(state: DefineState) -> Update:
    """Stop until somebody resumes with a `Heard` as plain JSON."""
    payload = state.payload
    if payload is None:
        raise RunError("There is nothing to ask.")
    heard = Heard.model_validate(interrupt(payload.model_dump(mode="json")))
    if heard.turn != payload.turn:
        raise RunError("The answer belongs to another question.", hint="Ask for the question under way.")
    check_reply(payload, heard.reply)
    return {"heard": heard}


def put(payload: ConversationQuestion) -> Update:
    """What puts a new question before the owner."""
    return {"payload": payload, "heard": None, "again": False}


def ask_again(payload: ConversationQuestion) -> Update:
    """What puts a question before the owner for the second time."""
    return {"payload": payload.model_copy(update={"turn": new_turn()}), "heard": None, "again": True}


def expected(state: DefineState, kind: type[P]) -> tuple[P, Heard]:
    """The question of this kind and its answer.

    Raises:
        RunError: The checkpoint holds another.
    """
    if not isinstance(state.payload, kind) or state.heard is None:
        raise RunError("The checkpoint of the conversation does not fit.", hint="Start the chat again.")
    return state.payload, state.heard
