"""Whatever a language model says: nothing runs, no page or line is taken over, and the record holds it."""

import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.define.waiting import WAITING, Waiting, read_heard
from fieldmark.app.event_loop import run_to_end
from fieldmark.cli.concept.owner import TerminalOwner
from fieldmark.cli.terminal import PlainConsole, without_commands
from fieldmark.errors import QuestionFailed
from fieldmark.prompts.answer_fields import MAX_PROSE_LENGTH
from fieldmark.prompts.gap import ask_gap
from fieldmark.prompts.judge import ask_judge
from fieldmark.prompts.refine import ask_refine
from fieldmark.prompts.scope import ask_scope
from fieldmark.records import (
    Clause,
    ClauseVerdict,
    Contribution,
    Decision,
    Definition,
    DefinitionEdit,
    ImagePart,
    Question,
    Version,
)
from fieldmark.records.conversation import (
    BoardToLabel,
    ConversationQuestion,
    EditOffer,
    Flip,
    RevealedImage,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.studio.talking import Going
from fieldmark.testing import ScriptedModel
from fieldmark.tools.concepts.changes import now, with_decision
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.unit.studio.studio_concepts import CLAUSES, made_build, made_concept
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, made_run, visitor
from tests.unit.studio.test_new_concept import Noted

TURNED = "\u202e"
WORDS = f'"><script>alert(1)</script>\x1b[2J\x1b]0;mine\x07{TURNED}\u2067gnp {{{{ 7*7 }}}} {"x" * 40}'
"""Script, the screen cleared, its title set, the writing turned around, a template, one long word."""
ENDLESS = (WORDS * 1500)[:100_000]
LARGEST_PAGE = 60_000
PICTURE = ImagePart(data_url="data:image/png;base64,AAAA")


class Resting(Noted):
    """`Talks` that go on with nothing: what waits is shown."""

    def going(self, folder: Path) -> Going:
        return Going()


class Reader(HTMLParser):
    """What a page would run, and turned writing that could reach beyond its own words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.runs: list[str] = []
        self.turned: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self._open.append(tag)
        if tag == "script" and not (said.get("src") or "").startswith("/static/"):
            self.runs.append(tag)
        self.runs += [name for name in said if name.startswith("on") or name == "style"]
        self.runs += [each for each in said.values() if each and each.strip().startswith("javascript:")]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if TURNED in data and not {"bdi", "title", "textarea", "option", "th", "td"} & set(self._open):
            self.turned.append(data)


def is_harmless(page: str) -> None:
    """Nothing runs, turned writing ends where it began, no control character, and not endless."""
    found = Reader(page)
    assert found.runs == []
    assert found.turned == []
    assert "\x1b" not in page
    assert "\x07" not in page
    assert len(page) < LARGEST_PAGE


def verdict(image: str) -> RevealedImage:
    return RevealedImage(
        image=image, owner="in", call="out", p=0.9, seen=ENDLESS, rationale=ENDLESS,
        clauses=(ClauseVerdict(clause="c1", finding="no", p=0.9),),
    )  # fmt: skip


def payloads(images: tuple[str, ...]) -> dict[str, ConversationQuestion]:
    """Everything that an owner is shown, in a model's words."""
    clause = Clause(id="c9", role="negative", text=WORDS)
    return {
        "question": ScopeQuestion(turn="t1", question=WORDS, options=(WORDS, "no"), images=images),
        "board": BoardToLabel(turn="t2", images=images),
        "verdicts": VerdictReveal(
            turn="t3", number=1, ambiguity=WORDS, images=tuple(map(verdict, images)),
            clauses=(CLAUSES[0].model_copy(update={"text": WORDS}), CLAUSES[1]),
        ),
        "edit": EditOffer(
            turn="t4", edit=DefinitionEdit(kind="add", clause=clause, why=WORDS),
            diff=(f"  necessary: {WORDS}", f"+ negative: {WORDS}"),
            flips=(Flip(image=images[0], owner="in", before="out", after="in"),),
            f1_before=0.5, f1_after=0.7, against=(WORDS,),
        ),
    }  # fmt: skip


@pytest.fixture
def concept(tmp_path: Path) -> ConceptFolder:
    """A concept whose clauses, reasons and questions a model worded."""
    folder = made_concept(tmp_path)
    was = folder.load()
    clause = Clause(id="c3", role="positive", text=WORDS, state="agreed")
    definition = Definition(clauses=(*CLAUSES, clause))
    edit = DefinitionEdit(kind="add", clause=clause, why=WORDS)
    said = Decision(kind="edit", question=WORDS, answer="accepted", edit=edit, at=now())
    folder.save(
        with_decision(was, said).model_copy(
            update={
                "versions": (*was.versions, Version(number=3, definition=definition, why=WORDS, at=said.at)),
                "current": 3,
            }
        )
    )
    return folder


def images_of(folder: ConceptFolder) -> tuple[str, ...]:
    return tuple(image.content_hash for image in folder.load_pool())[:3]


@pytest.mark.parametrize("kind", ["question", "board", "verdicts", "edit"])
def test_what_is_asked_takes_over_neither_page_nor_terminal(
    concept: ConceptFolder, tmp_path: Path, kind: str
) -> None:
    question = payloads(images_of(concept))[kind]
    before = concept.load()
    concept.write(WAITING, Waiting(question=question, version=3))
    client = visitor(replace(desk_for(tmp_path), talking=Resting()))
    page = client.get(f"/concepts/{concept.run_id}")
    assert page.status_code == 200
    assert question.turn in page.text
    is_harmless(page.text)
    is_harmless(client.get(f"/concepts/{concept.run_id}", params={"said": WORDS}).text)
    assert concept.load() == before

    out, lines = io.StringIO(), iter(["a", "i", "?", "i", "y", *[""] * 9])

    def read(prompt: str) -> str:
        out.write(prompt)
        return next(lines)

    console = PlainConsole(file=out, markup=False, highlight=False, width=100)
    images = {image.content_hash: image for image in concept.load_pool()}
    run_to_end(TerminalOwner(images, tmp_path, console=console, read=read).answer(question))
    assert without_commands(out.getvalue()) == out.getvalue()


@pytest.mark.parametrize("tab", ["definition", "history", "build", "results", "trial"])
def test_what_was_said_takes_over_no_page(concept: ConceptFolder, tmp_path: Path, tab: str) -> None:
    built = made_build(concept, version=3)
    made = built / "build.json"
    made.write_text(made.read_text().replace("Its training images", TURNED + "x" * 100_000))
    page = visitor(desk_for(tmp_path)).get(f"/concepts/{concept.run_id}/{tab}")
    assert page.status_code == 200
    is_harmless(page.text)
    assert ("by the language model, accepted by you" in page.text) == (tab == "history")


def test_reasons_of_a_run_take_over_no_page(tmp_path: Path) -> None:
    run = made_run(tmp_path / "runs", tmp_path / "pictures")
    why = Contribution(
        attribute=ENDLESS, contribution=0.9, label_value=ENDLESS, runner_up_value=ENDLESS, seen=ENDLESS
    )
    hostile: dict[str, object] = {
        "contributions": (why,) * 3, "coarse_label": ENDLESS, "coarse_probability": 0.5,
        "vlm_confidence": 0.9, "vlm_rationale": ENDLESS,
    }  # fmt: skip
    predictions = [each.model_copy(update=hostile) for each in run.read_predictions()]
    run.write_predictions(predictions)
    client = visitor(desk_for(tmp_path))
    for page in ("", "/asked", "/confused", f"/images/{predictions[0].image_hash}"):
        answer = client.get(f"/runs/{run.run_id}{page}")
        assert answer.status_code == 200
        is_harmless(answer.text)


def scope(text: str) -> dict[str, Any]:
    question = {"question": text, "about": text, "options": [text]}
    return {"clauses": [{"role": "necessary", "text": text}], "questions": [question]}


JUDGED = ask_judge(PICTURE, CLAUSES)
ASKED: dict[str, tuple[Question[Any], Any]] = {
    "scope": (ask_scope("birds", purpose=""), scope),
    "refine": (
        ask_refine("birds", purpose="", clauses=CLAUSES, answers=(), examples=()),
        lambda text: {
            "edits": [{"kind": "add", "clause": "", "role": "negative", "text": text, "why": text}]
        },
    ),
    "judge": (
        JUDGED,
        lambda text: {
            "seen": text,
            "rationale": text,
            "findings": [{"clause": "c1", "finding": "yes", "confidence": 90}],
        },
    ),
    "gap": (
        ask_gap(PICTURE, Definition(clauses=CLAUSES), concept="birds", purpose="", call="in", seen=""),
        lambda text: {"gaps": [{"gap": text}]},
    ),
}  # fmt: skip


def said(name: str, text: str) -> str:
    """What a model's answer to a question is taken for."""
    question, answer = ASKED[name]
    asked = run_to_end(ScriptedModel({name: answer(text)}).ask(question))
    return asked.value.model_dump_json().encode().decode("unicode_escape")


@pytest.mark.parametrize("name", ASKED)
def test_words_that_command_or_turn_are_taken_out_before_they_are_kept(name: str) -> None:
    found = said(name, WORDS)
    assert "<script>alert(1)</script>[2J]0;minegnp" in found
    assert without_commands(found) == found


@pytest.mark.parametrize("name", ["refine", "judge"])
def test_prose_without_an_end_is_cut(name: str) -> None:
    assert len(said(name, ENDLESS)) < 3 * MAX_PROSE_LENGTH


@pytest.mark.parametrize("name", ["scope", "gap"])
def test_a_clause_or_question_without_an_end_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(QuestionFailed) as refused:
        said(name, ENDLESS)
    assert "characters, more than" in str(refused.value.__cause__)


def test_an_answer_in_a_models_words_is_kept_as_it_was_offered(
    concept: ConceptFolder, tmp_path: Path
) -> None:
    option = run_to_end(ScriptedModel({"scope": scope(WORDS)}).ask(ASKED["scope"][0])).value.questions[0]
    question = ScopeQuestion(turn="t1", question=option.question, options=tuple(option.options))
    concept.write(WAITING, Waiting(question=question, version=3))
    talks = Resting()
    client = visitor(replace(desk_for(tmp_path), talking=talks))
    here = f"/concepts/{concept.run_id}"
    sent = {
        "form_token": form_token(client.get(here).text), "turn": "t1", "answer": question.options[0],
    }  # fmt: skip
    assert client.post(f"{here}/answer", data=sent, headers=FORM, follow_redirects=False).status_code == 303
    heard = read_heard(concept)
    assert heard is not None
    assert heard.reply == ScopeReply(answer=question.options[0])
    assert talks.folders == [concept.run_id]
