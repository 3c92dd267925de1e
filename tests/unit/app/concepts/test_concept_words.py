"""A concept's classifier built with words that its owner's labels found; and what is no use is refused."""

from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.build.options import BuildOptions
from fieldmark.app.concepts.builder import ConceptBuilder
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.app.concepts.words import estimate_clause_words, search_clause_words
from fieldmark.app.words.file import check_of_loop, check_place, read_words, write_words
from fieldmark.errors import InputError
from fieldmark.prompts.judge import PROMPT_ID as JUDGE
from fieldmark.records import Clause, Concept, Definition, Label, RunManifest, Words
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.tools.concepts.changes import with_version
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.seeing import SeeingModel, draw

WARM, RED = "The picture is warm.", "The picture is red."


@pytest.fixture
def folder(tmp_path: Path) -> ConceptFolder:
    """A concept whose one clause the model reads otherwise than its owner; 24 of 48 images are labelled."""
    images = draw(tmp_path / "pool", ["red", "blue"] * 24)
    clause = Clause(id="c1", role="necessary", text=WARM)
    made = with_version(Concept(name="warm"), Definition(clauses=(clause,)), why="test", at="t")
    labels = tuple(
        Label(image=each.content_hash, value="in" if at % 2 == 0 else "out", split="dev", at="t")
        for at, each in enumerate(images[:24])
    )
    folder = ConceptFolder(tmp_path / "home" / "concepts" / "warm")
    folder.save(made.model_copy(update={"labels": labels}))
    folder.save_pool(images)
    folder.write("setup.json", ConceptSetup(clip="aviary"))
    return folder


def writer() -> ScriptedModel:
    def said(question: Any) -> Any:
        data = data_of(question)
        if question.prompt_id == "reword.v1":
            return {"why": "", "rewording": RED if data["use"] == "clause" else data["text"]}
        return {"positive": ["a red picture"], "near_miss": ["a blue picture"]}

    return ScriptedModel(said)


def builder(home: Path, model: SeeingModel, words: Words | None = None, **given: Any) -> ConceptBuilder:
    options = BuildOptions(annotate=24, rounds=0, debates=0, words=words)
    models = {"clip": HashingEncoder(), "llm": writer(), "vlm": model, **given}
    return ConceptBuilder.open("warm", options=options, home=home, **models)


def test_a_classifier_is_built_with_the_words_that_were_found(tmp_path: Path, folder: ConceptFolder) -> None:
    home, model = tmp_path / "home", SeeingModel()
    searching = builder(home, model)
    foretold = estimate_clause_words(searching)
    assert model.asked == []
    words = search_clause_words(searching)
    assert words.clauses == {WARM: RED} and words.found is not None
    assert words.found.calls <= foretold.follow_up_most == words.found.budget
    assert folder.load().versions[0].definition.clauses[0].text == WARM  # the concept stays its owner's
    write_words(words, tmp_path / "words.json")
    assert read_words(tmp_path / "words.json") == words
    worded = builder(home, model, words)
    before = len(model.asked)
    foretold_build = worded.estimate()
    built = worded.build()
    asked = len(model.asked) - before
    assert asked <= foretold_build.first_look.to_ask + foretold_build.follow_up_most
    assert {text for each in model.clauses_asked()[before:] for text in each} == {RED}
    assert words.key in built.notes[0] or words.key in "".join(built.notes)
    manifest = RunManifest.model_validate_json((folder.path / "manifest.json").read_text())
    assert manifest.prompts["words"] == words.key
    assert worded.build() == built and len(model.asked) - before == asked
    again = ConceptBuilder.open("warm", home=home)._as_built(None)  # measuring goes by the same words
    assert again.options.words == words


def test_words_that_are_no_use_are_refused(tmp_path: Path, folder: ConceptFolder) -> None:
    home = tmp_path / "home"
    with pytest.raises(InputError, match="say nothing of the concept"):
        builder(home, SeeingModel(), Words(clauses={"Another one.": RED})).build()
    with pytest.raises(InputError, match="it reads no words"):
        builder(home, SeeingModel(), Words(clauses={WARM: RED}), vlm="none", llm=None).build()
    with pytest.raises(InputError, match="no words to search for"):
        search_clause_words(builder(home, SeeingModel(), vlm="none", llm=None))
    with pytest.raises(InputError, match="takes 49 to try"):
        search_clause_words(builder(home, SeeingModel()), calls=20)
    with pytest.raises(InputError, match="takes 49 to try"):
        estimate_clause_words(builder(home, SeeingModel()), calls=20)
    options = BuildOptions(annotate=24, words=Words(instructions={JUDGE: "- Look."}), looks="steps")
    models = {"clip": HashingEncoder(), "llm": writer(), "vlm": SeeingModel()}
    with pytest.raises(InputError, match="another look asks others"):
        ConceptBuilder.open("warm", options=options, home=home, **models).build()


def test_a_place_is_looked_at_before_anything_is_asked(tmp_path: Path) -> None:
    other, words = tmp_path / "precious.txt", Words(clauses={WARM: RED})
    other.write_text("mine")
    write_words(words, tmp_path / "words.json")
    check_place(tmp_path / "words.json")
    check_place(tmp_path / "new.json")
    for place, says in ((tmp_path, "is a folder"), (other, "holds no words")):
        with pytest.raises(InputError, match=says):
            check_place(place)


def test_the_loop_takes_words_of_its_own_questions_alone() -> None:
    check_of_loop(Words(instructions={"describe.v1": "- x", JUDGE: "- y"}))
    check_of_loop(Words())
    for words in (Words(clauses={WARM: RED}), Words(instructions={JUDGE: "- y"})):
        with pytest.raises(InputError, match="no question of the loop"):
            check_of_loop(words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "cannot be used"),
        ('{"instructions": {"nobody.v1": "- x"}}', "there is no question 'nobody.v1'"),
        ('{"instructions": {"judge.v1": "<data>"}}', "breaks the question's frame"),
        ('{"clauses": {"a": " "}}', "a clause takes 1 to 300"),
        ('{"clauses": {"a": "b"}, "more": 1}', "more"),
    ],
)
def test_a_file_that_holds_no_words_says_why(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "w.json"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_words(path)
