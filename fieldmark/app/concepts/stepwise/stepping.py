"""What takes its time about a concept: it is made, and its conversation goes on to the next question."""

import time
from pathlib import Path

from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.run import OwnerLeft, Sitting
from fieldmark.app.concepts.conversation import ConceptConversation
from fieldmark.app.concepts.making import WISH, read_wish
from fieldmark.app.concepts.setup import read_setup
from fieldmark.app.concepts.stepwise.wake import Call, read_call, rest
from fieldmark.errors import InputError
from fieldmark.records.conversation import ConversationQuestion, ConversationReply
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.runs.events import Progress, no_progress

LINGER_S = 600.0
"""How long a process waits for the next answer, in seconds: to load it anew takes longer than most steps."""
LOOK_S = 0.05


def keep_going(
    folder: ConceptFolder,
    *,
    home: Path | None = None,
    progress: Progress = no_progress,
    linger_s: float = LINGER_S,
) -> None:
    """Do what is next each time that somebody calls for it (`wake.call`); end when nobody did for a while.

    Raises:
        FieldmarkError: See `make` and `go_on`.
    """
    until = time.monotonic() + linger_s
    done: Call | None = None
    # A concept that is renamed or deleted meanwhile leaves its folder.
    while time.monotonic() < until and folder.path.is_dir():
        called = read_call(folder.path)
        if done is not None and called == done:
            time.sleep(LOOK_S)
            continue
        if folder.exists:
            go_on(folder, home=home, more=bool(called and called.more), progress=progress)
        else:
            make(folder, home=home, progress=progress)
        done = called or Call(token="")
        rest(folder.path, called)
        until = time.monotonic() + linger_s


def go_on(
    folder: ConceptFolder,
    *,
    options: DefineOptions | None = None,
    home: Path | None = None,
    more: bool = False,
    progress: Progress = no_progress,
) -> Sitting:
    """Take in what was answered, and go on to the next question; this asks models.

    Raises:
        RunError: Another process works on the concept.
        EndpointError: A model cannot be asked; everything so far is kept.
    """
    conversation = ConceptConversation(
        folder=folder,
        setup=read_setup(folder),
        options=options or DefineOptions(),
        home=home,
        progress=progress,
    )
    return conversation.chat(_Away(), more=more)


def make(folder: ConceptFolder, *, home: Path | None = None, progress: Progress = no_progress) -> None:
    """Make the concept that was wished: take its pictures in, encode them, and draw the blind test.

    Raises:
        InputError: Nothing was wished here, or there is such a concept already.
        NoImagesError: There is no usable picture.
        ModelError: The CLIP model cannot be loaded.
    """
    wished = read_wish(folder.path)
    if wished is None:
        raise InputError("Nothing is to be made here.")
    made = ConceptConversation.new(
        wished.name,
        pool=list(wished.pool),
        about=wished.about,
        clip=wished.clip,
        llm=wished.llm,
        vlm=wished.vlm,
        costs=wished.costs,
        options=DefineOptions(blind=wished.blind),
        home=home,
        progress=progress,
    )
    skipped = (*wished.skipped, *((str(each.path), each.reason) for each in made.skipped))
    made.folder.write(WISH, wished.model_copy(update={"skipped": skipped}))


class _Away:
    """An owner who answers at another time."""

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        raise OwnerLeft("left")
