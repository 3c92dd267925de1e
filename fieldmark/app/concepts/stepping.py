"""What takes its time about a concept: it is made, and its conversation goes on to the next question."""

from pathlib import Path

from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.run import OwnerLeft, Sitting
from fieldmark.app.concepts.conversation import ConceptConversation
from fieldmark.app.concepts.making import WISH, read_wish
from fieldmark.app.concepts.tools import read_setup
from fieldmark.errors import InputError
from fieldmark.records.conversation import ConversationQuestion, ConversationReply
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.runs.events import Progress, no_progress


def step(
    folder: ConceptFolder,
    *,
    options: DefineOptions | None = None,
    home: Path | None = None,
    more: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Do what is next and takes its time: make the concept that was wished, or go on with its conversation.

    Args:
        folder: The concept's folder.
        options: The choices of the conversation.
        home: Where answers and vectors are kept.
        more: Begin a further conversation where the last one is over.
        progress: Shows progress.

    Raises:
        FieldmarkError: See `make` and `go_on`.
    """
    if folder.exists:
        go_on(folder, options=options, home=home, more=more, progress=progress)
    else:
        make(folder, home=home, progress=progress)


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
    skipped = tuple((str(each.path), each.reason) for each in made.skipped)
    made.folder.write(WISH, wished.model_copy(update={"skipped": skipped}))


class _Away:
    """An owner who answers at another time."""

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        raise OwnerLeft("left")
