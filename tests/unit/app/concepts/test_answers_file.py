from pathlib import Path
from typing import Literal

import pytest

from fieldmark.app.concepts.answers_file import AnswersFile, read_answers
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import InputError
from fieldmark.records import Clause, DefinitionEdit
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    EditOffer,
    LabelReply,
    OfferReply,
    RevealedImage,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.images.files import ImageFile

IMAGES = {
    "a" * 64: ImageFile(Path("/pool/wren/1.jpg"), "a" * 64),
    "b" * 64: ImageFile(Path("/pool/robin/1.jpg"), "b" * 64),
    "c" * 64: ImageFile(Path("/pool/robin/2.jpg"), "c" * 64),
}
LINES = """
{"image": "wren/1.jpg", "label": "in"}
{"image": "robin/1.jpg", "label": "out", "reason": "it has a red breast"}
{"image": "cccccccc", "label": "unsure"}

{"question": "CREST", "answer": "never"}
{"question": "", "answer": "it does not matter"}
{"offers": "accept"}
"""


def answers(tmp_path: Path, text: str = LINES) -> AnswersFile:
    path = tmp_path / "answers.jsonl"
    path.write_text(text, encoding="utf-8")
    return read_answers(path, IMAGES)


def say(owner: AnswersFile, payload: ConversationQuestion) -> object:
    return run_to_end(owner.answer(payload))


def test_lines_answer_whatever_is_asked(tmp_path: Path) -> None:
    owner = answers(tmp_path)
    reply = say(owner, BoardToLabel(turn="1", images=tuple(IMAGES)))
    assert isinstance(reply, LabelReply)
    assert [label.value for label in reply.labels] == ["in", "out", "unsure"]
    asked = say(owner, ScopeQuestion(turn="2", question="May it have a crest?"))
    assert asked == ScopeReply(answer="never")
    assert say(owner, ScopeQuestion(turn="3", question="At night?")) == ScopeReply(
        answer="it does not matter"
    )
    edit = DefinitionEdit(kind="add", clause=Clause(id="c1", role="negative", text="x"))
    offer = EditOffer(turn="4", edit=edit, diff=(), flips=(), f1_before=None, f1_after=None)
    assert say(owner, offer) == OfferReply(accept=True)
    shown = tuple(RevealedImage(image=i, owner="out", call="in") for i in IMAGES)
    said = say(owner, VerdictReveal(turn="5", number=1, ambiguity="", images=shown, clauses=()))
    assert isinstance(said, RevealReply)
    assert [(r.image[:1], r.reason) for r in said.responses] == [("b", "it has a red breast")]


def test_what_no_line_answers_stays_open(tmp_path: Path) -> None:
    owner = answers(tmp_path, '{"image": "wren/1.jpg", "label": "in"}\n{"image": "2.jpg", "label": "in"}')
    reply = say(owner, BoardToLabel(turn="1", images=tuple(IMAGES)))
    assert isinstance(reply, LabelReply)
    assert [label.image[:1] for label in reply.labels] == ["a", "c"]
    assert say(owner, ScopeQuestion(turn="2", question="?")) == ScopeReply()
    assert say(owner, BlindBatch(turn="3", images=("b" * 64,), done=0, of=1)) == LabelReply()
    edit = DefinitionEdit(kind="add", clause=Clause(id="c1", role="negative", text="x"))
    offer = EditOffer(turn="4", edit=edit, diff=(), flips=(), f1_before=None, f1_after=None)
    assert say(owner, offer) == OfferReply(accept=False)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"image": "a.jpg"}',
        '{"label": "in"}',
        '{"image": "a", "label": "maybe"}',
        '{"offers": "all"}',
        '{"question": "a", "offers": "accept"}',
        '{"colour": 1}',
        '{"question": "a", "answer": "b", "misread": true}',
        '{"offers": "accept", "misread": ["c1"]}',
        '{"image": "a", "label": "in", "misread": []}',
        '{"image": "a", "label": "in", "misread": "c1"}',
        '{"image": "a", "label": "in", "misread": [1]}',
        '{"image": "a", "misread": true}',
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match="Line 2 of"):
        answers(tmp_path, '{"offers": "accept"}\n' + line)


MISREAD = """
{"image": "wren/1.jpg", "label": "out", "misread": true}
{"image": "robin/1.jpg", "label": "out", "misread": ["c2"], "reason": "that is a shadow"}
{"image": "robin/2.jpg", "label": "out", "misread": false}
"""
JUDGED = tuple(Clause(id=name, role="positive", text=f"text of {name}") for name in ("c1", "c2"))


def reveal(call: Literal["in", "out"] = "in") -> VerdictReveal:
    shown = tuple(RevealedImage(image=i, owner="out", call=call) for i in IMAGES)
    return VerdictReveal(turn="1", number=1, ambiguity="", images=shown, clauses=JUDGED)


def test_a_line_says_that_the_annotator_misread_an_image_and_which_clauses(tmp_path: Path) -> None:
    reply = say(answers(tmp_path, MISREAD), reveal())
    assert isinstance(reply, RevealReply)
    assert [(each.image[:1], each.kind, each.clauses, each.reason) for each in reply.responses] == [
        ("a", "model_wrong", (), ""),
        ("b", "model_wrong", ("c2",), "that is a shadow"),
    ]
    assert say(answers(tmp_path, MISREAD), reveal(call="out")) == RevealReply()  # it agrees


def test_a_clause_that_was_not_judged_is_named(tmp_path: Path) -> None:
    owner = answers(tmp_path, '{"image": "wren/1.jpg", "label": "out", "misread": ["c1", "c9"]}')
    with pytest.raises(InputError, match=r"'wren/1\.jpg' says that c9 was misread.*Judged were: c1, c2"):
        say(owner, reveal())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl': No such file or directory\. A line is an object"):
        read_answers(tmp_path / "none.jsonl", IMAGES)


def test_a_key_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the key 'imag', and there are image, label, reason, misread"):
        answers(tmp_path, '{"imag": "1.jpg", "label": "in"}')
    with pytest.raises(InputError, match=r"no answer: misread: it is true, or names clauses, such as"):
        answers(tmp_path, '{"image": "1.jpg", "label": "in", "misread": "c2"}')
    with pytest.raises(InputError, match="no answer: label: Input should be"):
        answers(tmp_path, '{"image": "1.jpg", "label": "maybe"}')


def test_a_name_of_two_images_is_refused_with_both_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'1\.jpg' names 2 images: '/pool/wren/1\.jpg' and '/pool/robin/1"):
        answers(tmp_path, '{"image": "1.jpg", "label": "in"}')
    alike = {"a" * 63 + end: ImageFile(Path(f"/pool/{end}.jpg"), "a" * 63 + end) for end in "12"}
    (tmp_path / "hash.jsonl").write_text('{"image": "aaaaaaaa", "label": "in"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"names 2 images: '/pool/1\.jpg' and '/pool/2\.jpg'"):
        read_answers(tmp_path / "hash.jsonl", alike)


def test_a_whole_path_is_that_image_alone(tmp_path: Path) -> None:
    inside = {"a" * 64: ImageFile(Path("1.jpg"), "a" * 64), "b" * 64: ImageFile(Path("x/1.jpg"), "b" * 64)}
    (tmp_path / "a.jsonl").write_text('{"image": "1.jpg", "label": "in"}', encoding="utf-8")
    owner = read_answers(tmp_path / "a.jsonl", inside)
    reply = say(owner, BoardToLabel(turn="1", images=tuple(inside)))
    assert isinstance(reply, LabelReply)
    assert [label.image[:1] for label in reply.labels] == ["a"]


def test_a_name_is_found_however_its_letters_are_composed(tmp_path: Path) -> None:
    apart = {"a" * 64: ImageFile(Path("/pool/ha\u0308her.jpg"), "a" * 64)}
    (tmp_path / "a.jsonl").write_text('{"image": "h\u00e4her.jpg", "label": "in"}', encoding="utf-8-sig")
    reply = say(read_answers(tmp_path / "a.jsonl", apart), BoardToLabel(turn="1", images=tuple(apart)))
    assert isinstance(reply, LabelReply)
    assert len(reply.labels) == 1
