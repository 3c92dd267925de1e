"""What an owner types is read alike by every front, and a slip is nobody's word."""

import pytest

from fieldmark.agents.define.hearing import Slip, read_answer, read_decision, read_label, read_response
from fieldmark.agents.define.record import check_reply, with_board
from fieldmark.errors import InputError
from fieldmark.records import Clause, ClauseVerdict, Concept, Finding, Label
from fieldmark.records.conversation import (
    Heard,
    ImageLabel,
    Response,
    RevealedImage,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import MISREAD, misread_images, with_labels

OPTIONS = ("never", "Always needed")
RED = Clause(id="c1", role="necessary", text="The bird is red.")
CREST = Clause(id="c2", role="negative", text="The bird has a crest.")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("b", "Always needed"),
        ("A", "never"),
        ("always needed", "Always needed"),
        ("y", "yes"),
        ("", ""),
        ("是", "是"),
        (" only small ones ", "only small ones"),
    ],
)
def test_a_letter_an_option_or_words_answer_a_question(said: str, answer: str) -> None:
    assert read_answer(said, OPTIONS) == answer


def test_a_letter_may_stand_in_brackets() -> None:
    assert read_answer("b)", OPTIONS) == read_answer("(B).", OPTIONS) == OPTIONS[1]
    assert read_answer("Yes.", ("yes", "no")) == "yes"


@pytest.mark.parametrize("said", ["c", "x", "1", "?", " z "])
def test_another_letter_is_a_slip(said: str) -> None:
    assert isinstance(read_answer(said, OPTIONS), Slip)
    with pytest.raises(InputError, match="is no answer"):
        check_reply(ScopeQuestion(turn="t", question="?", options=OPTIONS), ScopeReply(answer=said))


def test_an_option_of_one_letter_is_no_slip() -> None:
    check_reply(ScopeQuestion(turn="t", question="?", options=("A", "B")), ScopeReply(answer="B"))


@pytest.mark.parametrize(
    ("said", "image", "value", "reason"),
    [
        ("i", "p", "in", ""),
        ("O: no railing", "p", "out", "no railing"),
        ("? too dark", "p", "unsure", "too dark"),
        ("2 out", "q", "out", ""),
        ("2i", "q", "in", ""),
        ("2: i, clear", "q", "in", "clear"),
    ],
)
def test_letters_are_labels_and_numbers_are_pictures(said: str, image: str, value: str, reason: str) -> None:
    assert read_label(said, ("p", "q"), at=0) == ImageLabel.model_validate(
        {"image": image, "value": value, "reason": reason}
    )


@pytest.mark.parametrize(
    "said",
    ["1", "2", "3 i", "0 i", "x", "", "yes", "9" * 5000 + " i", "I don't know", "In doubt", "in doubt",
     "out of focus, cannot tell", "2 I think so", "Unsure whether it counts"],
)  # fmt: skip
def test_what_is_no_label_is_told(said: str) -> None:
    assert isinstance(read_label(said, ("p", "q"), at=0), Slip)


def test_a_disagreement_is_answered_by_a_label_a_reading_or_words() -> None:
    def read(said: str) -> object:
        return read_response(said, "p", (RED, CREST))

    assert read("o") == Response(image="p", kind="relabel", value="out")
    assert read("o I was wrong") == Response(image="p", kind="relabel", value="out", reason="I was wrong")
    assert read("in the shade") == Response(image="p", kind="reason", reason="in the shade")
    assert read("I think so") == Response(image="p", kind="reason", reason="I think so")
    assert read("w") == Response(image="p", kind="model_wrong")
    assert read("w C2, a leaf") == Response(image="p", kind="model_wrong", clauses=("c2",), reason="a leaf")
    assert read("") is None
    assert isinstance(read("2"), Slip)
    assert isinstance(read("x"), Slip)


def test_a_decision_is_a_yes_or_a_no() -> None:
    assert read_decision("y") == (True, "")
    assert read_decision("no: too narrow") == (False, "too narrow")
    assert isinstance(read_decision("x"), Slip)
    assert isinstance(read_decision(""), Slip)


def revealed(owner: str, call: str, red: Finding, crest: Finding) -> VerdictReveal:
    found = (ClauseVerdict(clause="c1", finding=red), ClauseVerdict(clause="c2", finding=crest))
    shown = RevealedImage.model_validate({"image": "p", "owner": owner, "call": call, "clauses": found})
    return VerdictReveal(turn="t", number=1, ambiguity="", images=(shown,), clauses=(RED, CREST))


@pytest.mark.parametrize(
    ("payload", "named", "misread"),
    [
        (revealed("in", "out", "no", "no"), (), ("c1",)),
        (revealed("in", "out", "no", "yes"), (), ("c1", "c2")),
        (revealed("out", "in", "yes", "no"), (), ()),  # either may be wrong
        (revealed("out", "in", "yes", "no"), ("c2",), ("c2",)),
    ],
)
def test_the_clauses_that_were_misread_are_noted(
    payload: VerdictReveal, named: tuple[str, ...], misread: tuple[str, ...]
) -> None:
    shown = payload.images[0]
    concept = with_labels(Concept(name="x"), [Label(image="p", value=shown.owner, split="dev", at="1")])
    reply = RevealReply(responses=(Response(image="p", kind="model_wrong", clauses=named),))
    check_reply(payload, reply)
    noted = with_board(concept, payload, Heard(turn="t", reply=reply, at="2"))
    assert noted.labels[-1].misread == misread
    assert noted.labels[-1].reason == MISREAD
    assert set(misread_images(noted)) == set(misread)
    other = Label(image="p", value="in" if shown.owner == "out" else "out", split="dev", at="3")
    assert misread_images(with_labels(noted, [other])) == {}, "the label was taken back"


def test_a_clause_that_was_not_shown_was_not_misread() -> None:
    reply = RevealReply(responses=(Response(image="p", kind="model_wrong", clauses=("c9",)),))
    with pytest.raises(InputError, match="no clause 'c9'"):
        check_reply(revealed("in", "out", "no", "no"), reply)
