"""Answers questions at the command line: a person at a terminal, or a file.

It shows questions and reads what is typed; what a question means and what follows is not known here.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.agents.define.drafts import Drafts
from fieldmark.agents.define.run import OwnerLeft
from fieldmark.cli.terminal import PlainConsole, amount, errors, words
from fieldmark.errors import InputError
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
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
from fieldmark.tools.images.contact_sheet import write_sheet
from fieldmark.tools.images.files import ImageFile

if TYPE_CHECKING:
    from fieldmark.agents.define.run import Owner
    from fieldmark.app.concepts.conversation import ConceptConversation
    from fieldmark.cli.concept.progress import Telling
    from fieldmark.records import LabelValue

LABELS: "Mapping[str, LabelValue]" = {
    "1": "in", "2": "out", "3": "unsure", "in": "in", "out": "out", "unsure": "unsure"
}  # fmt: skip
LEAVE, STOP, UNDO, LATER, MISREAD = ("q", "quit"), "stop", ("u", "undo"), "later", ("w", "wrong")
OFFERS = {
    "better": "A change of the definition that fits your labels better:",
    "same": "A change of the definition that fits your labels as well, and leaves it shorter:",
    "worse": "A shorter definition that fits your labels less well, by no more than chance may explain:",
}
KEYS = "1 in, 2 out, 3 unsure (with a few words why, if you like); u undoes, q leaves"


def owner_for(
    conversation: "ConceptConversation", answers: Path | None, *, progress: "Telling", json: bool
) -> "Owner":
    """The person or script that answers questions.

    Raises:
        InputError: Nobody is there to answer.
    """
    images = conversation.images
    if answers is not None:
        from fieldmark.app.concepts.answers_file import read_answers

        return read_answers(answers, images)
    if not sys.stdin.isatty():
        raise InputError(
            "Nobody is there to answer: this is no terminal.",
            hint="Run it in a terminal, or give --answers FILE.",
        )
    return TerminalOwner(
        images,
        conversation.folder.path,
        console=words(json=json),
        pause=progress.pause,
        go_on=progress.go_on,
    )


class TerminalOwner:
    """A person at a terminal.

    Args:
        images: The pool, by content hash.
        folder: The concept's folder: sheets and half-done boards are kept there.
        console: Where questions are shown.
        read: Reads a line after a prompt; raises `EOFError` where there is none.
        pause: Called before somebody types.
        go_on: Called after.
    """

    def __init__(
        self,
        images: Mapping[str, ImageFile],
        folder: Path,
        *,
        console: PlainConsole,
        read: Callable[[str], str] = input,
        pause: Callable[[], None] = lambda: None,
        go_on: Callable[[], None] = lambda: None,
    ) -> None:
        self._images = images
        self._sheets = folder / "sheets"
        self._drafts = Drafts(folder)
        self._console = console
        self._read_line = read
        self._pause, self._go_on = pause, go_on

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        """Show a question and read the answer.

        Raises:
            OwnerLeft: The person leaves.
        """
        self._pause()
        try:
            match payload:
                case ScopeQuestion():
                    return self._scope(payload)
                case BoardToLabel():
                    return self._board(payload)
                case BlindBatch():
                    return self._blind(payload)
                case VerdictReveal():
                    return self._reveal(payload)
                case EditOffer():
                    return self._offer(payload)
        finally:
            self._go_on()

    def _scope(self, payload: ScopeQuestion) -> ConversationReply:
        self._say()
        self._say(f"Question {payload.number} of at most {payload.of}: {payload.question}", "bold")
        if payload.images:
            self._show(payload.images, f"scope-{payload.number}")
        letters = {chr(ord("a") + place): option for place, option in enumerate(payload.options)}
        for letter, option in letters.items():
            self._say(f"  {letter}  {option}")
        said = self._read("A letter or your own words; Enter skips, q leaves, stop ends it all: ")
        if said == STOP:
            return ScopeReply(stop=True)
        return ScopeReply(answer=letters.get(said.lower(), said))

    def _board(self, payload: BoardToLabel) -> ConversationReply:
        title = f"Board {payload.number}" if payload.number else "Images to label"
        self._say()
        self._say(f"{title}: {amount(len(payload.images), 'image')}", "bold")
        self._show(payload.images, f"board-{payload.number}")
        return self._labels(payload.images, f"{KEYS}, stop ends the boards")

    def _blind(self, payload: BlindBatch) -> ConversationReply:
        self._say()
        self._say(f"Blind test: {payload.done} of {payload.of} are labelled. No verdict is shown.", "bold")
        self._show(payload.images, f"blind-{payload.done}")
        return self._labels(payload.images, f"{KEYS}, later leaves the rest for another day")

    def _labels(self, images: Sequence[str], keys: str) -> LabelReply:
        """Read a label for each image; what was given stays if the person leaves."""
        given = list(self._drafts.load(images))
        self._say(f"  {keys}")
        while len(given) < len(images):
            image = images[len(given)]
            said = self._read(f"{len(given) + 1} of {len(images)}: ")
            key, _, reason = said.partition(" ")
            if key in UNDO:
                given = given[:-1]
            elif said == STOP:
                return LabelReply(labels=tuple(given), stop=True)
            elif said == LATER:
                return LabelReply(labels=tuple(given), later=True)
            elif key in LABELS:
                given.append(ImageLabel(image=image, value=LABELS[key], reason=reason.strip(" :;,")))
            else:
                self._say(f"  {keys}")
                continue
            self._drafts.save(images, given)
        return LabelReply(labels=tuple(given))

    def _reveal(self, payload: VerdictReveal) -> ConversationReply:
        agreed = len(payload.images) - len(payload.disagreements)
        about = f" They were shown for: {payload.ambiguity}." if payload.ambiguity else ""
        self._say()
        self._say(f"Board {payload.number}: {agreed} of {len(payload.images)} agree.{about}", "bold")
        texts = {clause.id: f"{clause.role}: {clause.text}" for clause in payload.clauses}
        for place, image in enumerate(payload.images, 1):
            self._say_verdict(place, image, texts)
        return self._responses(payload)

    def _responses(self, payload: VerdictReveal) -> RevealReply:
        """Read a word on each disagreement; what was said stays if the person leaves."""
        shown = [image.image for image in payload.images]
        disputed = [(place, image) for place, image in enumerate(payload.images, 1) if image.disagrees]
        given = list(self._drafts.load_responses(shown))
        stop = False
        while len(given) < len(disputed) and not stop:
            place, image = disputed[len(given)]
            said = self._read(
                f"Image {place}: why {image.owner}? In your words; 1, 2 or 3 changes your label, "
                "w says the model misread it, Enter leaves it, u undoes: "
            )
            if said in UNDO:
                given = given[:-1]
            elif said == STOP:
                stop = True
            else:
                given.append(_response(image.image, said))
            self._drafts.save_responses(shown, given)
        return RevealReply(responses=tuple(each for each in given if each), stop=stop)

    def _say_verdict(self, place: int, image: RevealedImage, texts: Mapping[str, str]) -> None:
        sure = "" if image.right is None else f" ({_sure(image.right, image.right_by)})"
        style = "yellow" if image.disagrees else ""
        self._say(f"  {place}  you: {image.owner}, model: {image.call}{sure}", style)
        for words_of in filter(None, (image.seen, image.rationale)):
            self._say(f"     {words_of}")
        if image.disagrees:
            for verdict in image.clauses:
                self._say(f"     {verdict.finding}: {texts.get(verdict.clause, verdict.clause)}")

    def _offer(self, payload: EditOffer) -> ConversationReply:
        self._say()
        self._say(OFFERS[payload.fit], "bold")
        for line in payload.diff:
            self._say(f"  {line}", {"+": "green", "-": "red"}.get(line[:1], ""))
        if payload.edit.why:
            self._say(f"  Why: {payload.edit.why}")
        if payload.f1_before is not None and payload.f1_after is not None:
            self._say(f"  F1 on your labels: {payload.f1_before:.2f} → {payload.f1_after:.2f}")
        for flip in payload.flips:
            image = self._images.get(flip.image)
            where = image.path if image else flip.image[:12]
            self._say(f"  {flip.before} → {flip.after}, you said {flip.owner}: {where}")
        while True:
            said = self._read("Accept it? y or n, with a few words if you like: ")
            key, _, reason = said.partition(" ")
            if said == STOP:
                return OfferReply(accept=False, stop=True)
            if key.lower() in ("y", "yes", "n", "no"):
                return OfferReply(accept=key.lower().startswith("y"), reason=reason.strip())

    def _show(self, images: Sequence[str], name: str) -> None:
        files = [self._images[image] for image in images if image in self._images]
        if not files:
            return
        path = self._sheets / f"{name}.png"
        for lost in write_sheet(files, path):
            errors().say(f"warning: {lost}", "yellow")
        self._say(f"  Sheet: {path}")
        for place, file in enumerate(files, 1):
            self._say(f"    {place}  {file.path}")

    def _read(self, prompt: str) -> str:
        try:
            said = self._read_line(prompt).strip()
        except EOFError:
            self._say()
            raise OwnerLeft("left") from None
        if said.lower() in LEAVE:
            raise OwnerLeft("left")
        return said

    def _say(self, text: str = "", style: str = "") -> None:
        self._console.say(text, style)


def _sure(right: float, labels: int) -> str:
    """How likely a call is right, and who says so."""
    if not labels:
        return f"says it is {100 * right:.0f}% sure"
    return f"right {100 * right:.0f}% of the time, by {labels} of your labels"


def _response(image: str, said: str) -> Response | None:
    """What a line says of a disagreement; None where it is blank."""
    key, _, rest = said.partition(" ")
    if key in LABELS:
        return Response(image=image, kind="relabel", value=LABELS[key], reason=rest.strip())
    if key in MISREAD:
        return Response(image=image, kind="model_wrong", reason=rest.strip())
    return Response(image=image, kind="reason", reason=said) if said else None
