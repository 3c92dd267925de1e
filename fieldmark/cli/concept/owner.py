"""Answers questions at the command line: a person at a terminal, or a file.

It shows questions and reads what is typed; what a question means and what follows is not known here.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.agents.define.drafts import Drafts
from fieldmark.agents.define.ending import in_one_line
from fieldmark.agents.define.hearing import (
    Slip,
    labels_in_words,
    read_answer,
    read_decision,
    read_label,
    read_response,
    response_in_words,
)
from fieldmark.agents.define.run import OwnerLeft
from fieldmark.cli.terminal import PlainConsole, amount, errors, without_commands, words
from fieldmark.errors import InputError
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
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

LEAVE, STOP, UNDO, LATER = ("q", "quit"), "stop", ("u", "undo"), "later"
OFFERS = {
    "better": "A change of the definition that fits your labels better:",
    "same": "A change of the definition that fits your labels as well, and leaves it shorter:",
    "worse": "A shorter definition that fits your labels less well, by no more than chance may explain:",
}
KEYS = "i in, o out, ? unsure, with a few words why if you like; 3 o labels picture 3; u undoes, q leaves"


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
        for place, option in enumerate(payload.options):
            self._say(f"  {chr(ord('a') + place)}  {option}")
        while True:
            said = self._read("A letter or your own words; Enter skips, q leaves, stop ends it all: ")
            if said == STOP:
                return ScopeReply(stop=True)
            answer = read_answer(said, payload.options)
            if isinstance(answer, Slip):
                self._say(f"  {answer.says}")
            elif not answer or self._understood(answer):
                return ScopeReply(answer=answer)

    def _board(self, payload: BoardToLabel) -> ConversationReply:
        title = f"Board {payload.number}" if payload.number else "Images to label"
        self._say()
        self._say(f"{title}: {amount(len(payload.images), 'image')}", "bold")
        if payload.hinders:
            self._say(f"  {in_one_line(payload.hinders)}")
        self._show(payload.images, f"board-{payload.number}")
        return self._labels(payload.images, f"{KEYS}, stop ends the boards")

    def _blind(self, payload: BlindBatch) -> ConversationReply:
        self._say()
        self._say(f"Blind test: {payload.done} of {payload.of} are labelled. No verdict is shown.", "bold")
        self._show(payload.images, f"blind-{payload.done}")
        return self._labels(payload.images, f"{KEYS}, later leaves the rest for another day")

    def _labels(self, images: Sequence[str], keys: str) -> LabelReply:
        """Read a label for each image; what was given stays if the person leaves."""
        given = {label.image: label for label in self._drafts.load(images)}
        self._say(f"  {keys}")
        while True:
            missing = [place for place, image in enumerate(images) if image not in given]
            if not missing:
                if self._understood(labels_in_words(given, images)):
                    return LabelReply(labels=tuple(given[image] for image in images))
                given.popitem()
                self._drafts.save(images, list(given.values()))
                continue
            said = self._read(f"Picture {missing[0] + 1} of {len(images)}: ")
            if said in UNDO:
                if given:
                    given.popitem()
            elif said == STOP:
                return LabelReply(labels=tuple(given.values()), stop=True)
            elif said == LATER:
                return LabelReply(labels=tuple(given.values()), later=True)
            else:
                label = read_label(said, images, at=missing[0])
                if isinstance(label, Slip):
                    self._say(f"  {label.says}")
                    continue
                given.pop(label.image, None)
                given[label.image] = label
            self._drafts.save(images, list(given.values()))

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
        while disputed and not stop:
            if len(given) == len(disputed):
                if not any(given) or self._understood(_responses_in_words(disputed, given)):
                    break
                given = given[:-1]
                self._drafts.save_responses(shown, given)
                continue
            place, image = disputed[len(given)]
            said = self._read(
                f"Picture {place}: why {image.owner}? In your words; i, o or ? changes your label, w says "
                "that the model misread it (w c2: clause c2), Enter leaves it, u undoes: "
            )
            if said in UNDO:
                given = given[:-1]
            elif said == STOP:
                stop = True
            else:
                response = read_response(said, image.image, payload.clauses)
                if isinstance(response, Slip):
                    self._say(f"  {response.says}")
                    continue
                given.append(response)
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
                self._say(
                    f"     {verdict.clause} {verdict.finding}: {texts.get(verdict.clause, verdict.clause)}"
                )

    def _offer(self, payload: EditOffer) -> ConversationReply:
        self._say()
        self._say(OFFERS[payload.fit], "bold")
        for line in payload.diff:
            self._say(f"  {line}", {"+": "green", "-": "red"}.get(line[:1], ""))
        if payload.edit.why:
            self._say(f"  Why: {payload.edit.why}")
        for answer in payload.against:
            self._say(f"  It goes against your answer: {answer} If you decline, that stands.", "yellow")
        if payload.f1_before is not None and payload.f1_after is not None:
            self._say(f"  F1 on your labels: {_change(payload.f1_before, payload.f1_after)}")
        for flip in payload.flips:
            image = self._images.get(flip.image)
            where = image.path if image else flip.image[:12]
            self._say(f"  {flip.before} → {flip.after}, you said {flip.owner}: {where}")
        while True:
            said = self._read("Accept it? y or n, with a few words if you like: ")
            if said == STOP:
                return OfferReply(accept=False, stop=True)
            decision = read_decision(said)
            if isinstance(decision, Slip):
                self._say(f"  {decision.says}")
                continue
            accept, reason = decision
            words_of = f": {reason}" if reason else ""
            if self._understood(f"{'accepted' if accept else 'declined'}{words_of}"):
                return OfferReply(accept=accept, reason=reason)

    def _understood(self, what: str) -> bool:
        """Read back what was understood; False where it is undone."""
        while True:
            said = self._read(f"  I understood: {what}. Enter goes on, u undoes: ")
            if not said or said in UNDO:
                return not said
            self._say("  Enter or u.")

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
            # What is read back may be a model's own words.
            said = self._read_line(without_commands(prompt)).strip()
        except EOFError:
            self._say()
            raise OwnerLeft("left") from None
        if said.lower() in LEAVE:
            raise OwnerLeft("left")
        return said

    def _say(self, text: str = "", style: str = "") -> None:
        self._console.say(text, style)


def _change(before: float, after: float) -> str:
    """Two scores with as many decimals as tell them apart, two to four."""
    digits = next((n for n in (2, 3) if f"{before:.{n}f}" != f"{after:.{n}f}"), 4)
    digits = digits if abs(after - before) >= 1e-4 else 2
    return f"{before:.{digits}f} → {after:.{digits}f}"


def _sure(right: float, labels: int) -> str:
    """How likely a call is right, and who says so."""
    if not labels:
        return f"says it is {100 * right:.0f}% sure"
    return f"right {100 * right:.0f}% of the time, by {labels} of your labels"


def _responses_in_words(
    disputed: Sequence[tuple[int, RevealedImage]], given: Sequence[Response | None]
) -> str:
    """What was said of each disagreement, by the numbers of the pictures."""
    pairs = zip(disputed, given, strict=True)
    return "; ".join(f"picture {place}: {response_in_words(said)}" for (place, _), said in pairs)
