"""A person at a terminal: what is shown, and what is made of what they type."""

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.agents.define.run import OwnerLeft
from fieldmark.cli.concept.owner import TerminalOwner
from fieldmark.cli.terminal import PlainConsole
from fieldmark.records import Clause, ClauseVerdict, DefinitionEdit
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    EditOffer,
    Flip,
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
from fieldmark.tools.images.files import find_images


class Desk:
    """A terminal with somebody who types the given lines, then closes it."""

    def __init__(self, folder: Path) -> None:
        pictures = folder / "pictures"
        pictures.mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(pictures / f"{number}.png")
        self.images = {image.content_hash: image for image in find_images(pictures).images}
        self.names = tuple(self.images)
        self.folder = folder
        self.said = io.StringIO()

    def type(self, payload: ConversationQuestion, *lines: str) -> object:
        left = list(lines)

        def read(prompt: str) -> str:
            self.said.write(prompt)
            if not left:
                raise EOFError
            return left.pop(0)

        console = PlainConsole(file=self.said, markup=False, highlight=False, width=200)
        reply = asyncio.run(
            TerminalOwner(self.images, self.folder, console=console, read=read).answer(payload)
        )
        assert left == [], "not everything typed was read"
        return reply

    @property
    def text(self) -> str:
        return self.said.getvalue()

    def labels(self, *values: str) -> tuple[ImageLabel, ...]:
        return tuple(
            ImageLabel.model_validate({"image": image, "value": value})
            for image, value in zip(self.names, values, strict=False)
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def board(images: Sequence[str]) -> BoardToLabel:
    return BoardToLabel(turn="t", images=tuple(images), number=4)


def test_a_board_is_shown_as_a_sheet_and_labelled_by_keys(desk: Desk) -> None:
    reply = desk.type(board(desk.names), "i", "o it has a crest", "?", "")
    assert isinstance(reply, LabelReply)
    assert [label.value for label in reply.labels] == ["in", "out", "unsure"]
    assert reply.labels[1].reason == "it has a crest"
    assert "Board 4: 3 images" in desk.text
    assert (desk.folder / "sheets" / "board-4.png").is_file()
    assert all(str(image.path) in desk.text for image in desk.images.values())


def test_a_board_says_what_still_hinders_the_end(desk: Desk) -> None:
    hinders = ("3 pictures that came back", "after 2 more boards or 9 labels")
    desk.type(board(desk.names).model_copy(update={"hinders": hinders}), "i", "stop")
    assert "still missing: 3 pictures that came back. It ends after 2 more boards or 9 labels" in desk.text


def test_undo_takes_the_last_label_back_and_nonsense_is_asked_again(desk: Desk) -> None:
    reply = desk.type(board(desk.names), "u", "i", "o", "undo", "x", "", "in", "out", "")
    assert reply == LabelReply(labels=desk.labels("in", "in", "out"))


@pytest.mark.parametrize("leaving", [["q"], ["Quit"], []])
def test_whoever_leaves_in_the_middle_finds_the_labels_again(desk: Desk, leaving: list[str]) -> None:
    with pytest.raises(OwnerLeft):
        desk.type(board(desk.names), "i", "o", *leaving)
    assert desk.type(board(desk.names), "?", "") == LabelReply(labels=desk.labels("in", "out", "unsure"))
    other = BoardToLabel(turn="u", images=desk.names[:2])
    assert desk.type(other, "i", "i", "") == LabelReply(labels=desk.labels("in", "in"))


def test_ending_it_keeps_what_was_labelled(desk: Desk) -> None:
    assert desk.type(board(desk.names), "i", "stop") == LabelReply(labels=desk.labels("in"), stop=True)


def test_the_blind_test_may_wait(desk: Desk) -> None:
    batch = BlindBatch(turn="t", images=desk.names, done=10, of=100)
    reply = desk.type(batch, "o", "later")
    assert reply == LabelReply(labels=desk.labels("out"), later=True)
    assert "10 of 100" in desk.text


def test_a_question_is_answered_by_letter_or_in_words(desk: Desk) -> None:
    question = ScopeQuestion(
        turn="t", question="A crest?", options=("never", "always needed"), images=desk.names, number=2, of=6
    )
    assert desk.type(question, "b", "") == ScopeReply(answer="always needed")
    assert desk.type(question, "only small ones", "") == ScopeReply(answer="only small ones")
    assert desk.type(question, "") == ScopeReply(answer="")
    assert desk.type(question, "stop") == ScopeReply(stop=True)
    assert "Question 2 of at most 6: A crest?" in desk.text


def test_a_slip_is_not_the_owners_word_and_what_was_understood_can_be_undone(desk: Desk) -> None:
    question = ScopeQuestion(turn="t", question="A crest?", options=("never", "always needed"))
    assert desk.type(question, "c", "1", "b", "u", "a", "") == ScopeReply(answer="never")
    assert "'c' is no answer here." in desk.text
    assert "A number names a picture." in desk.text
    assert "I understood: always needed." in desk.text
    assert desk.type(question, "n", "") == ScopeReply(answer="no")


def test_a_number_names_a_picture_and_the_last_label_can_be_undone(desk: Desk) -> None:
    reply = desk.type(board(desk.names), "3 o no railing", "i", "1", "9 i", "o", "u", "2?", "")
    assert isinstance(reply, LabelReply)
    assert [label.value for label in reply.labels] == ["in", "unsure", "out"]
    assert reply.labels[2].reason == "no railing"
    assert "Say what it is: 1 i" in desk.text
    assert "There is no picture 9" in desk.text
    assert "I understood: 1 in, 2 out, 3 out (no railing)." in desk.text


def test_the_words_of_a_reveal_are_read_back(desk: Desk) -> None:
    reply = desk.type(reveal(desk.names), "x", "w c1 a shadow", "i think so", "u", "", "")
    first = Response(image=desk.names[1], kind="model_wrong", reason="a shadow", clauses=("c1",))
    assert reply == RevealReply(responses=(first,))
    assert "'x' says nothing here." in desk.text
    assert "picture 2: the model misread it (c1): a shadow" in desk.text
    assert "picture 3: your reason: i think so" in desk.text


def reveal(names: Sequence[str]) -> VerdictReveal:
    clauses = (Clause(id="c1", role="necessary", text="The bird has a red belly."),)
    found = (ClauseVerdict(clause="c1", finding="yes", p=0.9),)
    return VerdictReveal(
        turn="t",
        number=4,
        ambiguity="birds with a crest",
        images=(
            RevealedImage(image=names[0], owner="in", call="in", p=0.9, clauses=found),
            RevealedImage(image=names[1], owner="out", call="in", p=0.9, clauses=found, seen="a red bird"),
            RevealedImage(image=names[2], owner="in", call="out", p=0.1, clauses=found),
        ),
        clauses=clauses,
    )


def test_only_disagreements_ask_for_a_word(desk: Desk) -> None:
    reply = desk.type(reveal(desk.names), "it has a crest", "o I was wrong", "")
    assert reply == RevealReply(
        responses=(
            Response(image=desk.names[1], kind="reason", reason="it has a crest"),
            Response(image=desk.names[2], kind="relabel", value="out", reason="I was wrong"),
        )
    )
    assert "1 of 3 agree. They were shown for: birds with a crest." in desk.text
    assert "a red bird" in desk.text
    assert "c1 yes: necessary: The bird has a red belly." in desk.text


def test_the_model_may_be_wrong_and_silence_is_an_answer(desk: Desk) -> None:
    reply = desk.type(reveal(desk.names), "w", "", "")
    assert reply == RevealReply(responses=(Response(image=desk.names[1], kind="model_wrong"),))


def test_whoever_leaves_amid_a_reveal_finds_the_words_again(desk: Desk) -> None:
    with pytest.raises(OwnerLeft):
        desk.type(reveal(desk.names), "it has a crest", "q")
    first = Response(image=desk.names[1], kind="reason", reason="it has a crest")
    second = Response(image=desk.names[2], kind="model_wrong")
    assert desk.type(reveal(desk.names), "w", "") == RevealReply(responses=(first, second))


def test_undo_and_stop_amid_a_reveal(desk: Desk) -> None:
    reply = desk.type(reveal(desk.names), "a slip", "u", "it has a crest", "stop")
    said = Response(image=desk.names[1], kind="reason", reason="it has a crest")
    assert reply == RevealReply(responses=(said,), stop=True)


def test_words_of_a_reveal_are_no_labels_of_the_board(desk: Desk) -> None:
    with pytest.raises(OwnerLeft):
        desk.type(reveal(desk.names), "", "q")
    assert desk.type(board(desk.names), "i", "o", "?", "") == LabelReply(
        labels=desk.labels("in", "out", "unsure")
    )


def test_an_edit_is_accepted_or_not(desk: Desk) -> None:
    offer = EditOffer(
        turn="t",
        edit=DefinitionEdit(
            kind="add", clause=Clause(id="c2", role="negative", text="A crest."), why="crests"
        ),
        diff=("  necessary: Red.", "+ negative: A crest."),
        flips=(Flip(image=desk.names[0], owner="out", before="in", after="out"),),
        f1_before=0.5,
        f1_after=0.75,
    )
    assert desk.type(offer, "", "perhaps", "y", "") == OfferReply(accept=True)
    assert desk.type(offer, "n too narrow", "") == OfferReply(accept=False, reason="too narrow")
    assert "+ negative: A crest." in desk.text
    assert "fits your labels better" in desk.text
    assert "0.50 → 0.75" in desk.text
    assert f"in → out, you said out: {desk.images[desk.names[0]].path}" in desk.text


@pytest.mark.parametrize(
    ("before", "after", "fit"),
    [
        (0.8, 0.75, "worse"),
        (0.8, 0.8, "same"),
        (0.8, 0.8001, "better"),
        (0.2, None, "worse"),
        (None, None, "same"),
    ],
)
def test_an_edit_is_called_better_only_where_f1_rises(
    desk: Desk, before: float | None, after: float | None, fit: str
) -> None:
    clause = Clause(id="c2", role="negative", text="A crest.")
    edit = DefinitionEdit(kind="drop", clause=clause, why="shorter")
    offer = EditOffer(
        turn="t", edit=edit, diff=("- negative: A crest.",), flips=(), f1_before=before, f1_after=after
    )
    assert offer.fit == fit
    desk.type(offer, "n", "")
    assert ("better" in desk.text) is (fit == "better")


def test_an_edit_against_an_answer_says_so_and_scores_are_told_apart(desk: Desk) -> None:
    clause = Clause(id="c2", role="negative", text="A crest.")
    offer = EditOffer(
        turn="t",
        edit=DefinitionEdit(kind="drop", clause=clause),
        diff=("- negative: A crest.",),
        flips=(),
        f1_before=0.851,
        f1_after=0.854,
        against=("A crest? You said: never.",),
    )
    desk.type(offer, "n", "")
    assert "It goes against your answer: A crest? You said: never." in desk.text
    assert "0.851 → 0.854" in desk.text


def test_how_sure_a_call_is_names_whose_word_it_is(desk: Desk) -> None:
    shown = reveal(desk.names)
    own, by_labels, unknown = (
        image.model_copy(update=update)
        for image, update in zip(
            shown.images,
            ({"right": 0.9}, {"right": 0.64, "right_by": 31}, {"call": "abstain", "p": None}),
            strict=True,
        )
    )
    desk.type(shown.model_copy(update={"images": (own, by_labels, unknown)}), "")
    assert "model: in (says it is 90% sure)" in desk.text
    assert "model: in (right 64% of the time, by 31 of your labels)" in desk.text
    assert "model: abstain\n" in desk.text
