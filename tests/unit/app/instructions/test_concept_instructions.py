"""The labelling instructions of a concept, and who is scored on what."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldmark import ConceptInstructions
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.errors import InputError
from fieldmark.records import Clause, Concept, Definition, Label, Version
from fieldmark.testing import HashingEncoder, data_of
from fieldmark.tools.concepts.folder import SETUP, ConceptFolder
from tests.command_line import CommandLine
from tests.seeing import SeeingModel, colour_of, draw

IN, OUT = "red", "blue"


@pytest.fixture
def concept(tmp_path: Path) -> ConceptFolder:
    """Red pictures are in: six of them and six blue ones have labels, two more are the blind test."""
    images = draw(tmp_path / "pool", [IN, OUT] * 7)
    folder = ConceptFolder(tmp_path / "home" / "concepts" / "warm")
    folder.save_pool(images)
    (folder.path / SETUP).write_text(ConceptSetup(clip="none", vlm="none").model_dump_json())
    labels = [
        Label(
            image=each.content_hash,
            value="in" if number % 2 == 0 else "out",
            split="blind" if number >= 12 else "dev",
            reason="It glows." if number == 0 else "",
            at="t",
        )
        for number, each in enumerate(images)
    ]
    clause = Clause(id="c1", role="necessary", text="The picture is red.")
    folder.save(
        Concept(
            name="warm",
            purpose="For the poster.",
            versions=(Version(number=1, definition=Definition(clauses=(clause,)), why="w", at="t"),),
            current=1,
            labels=tuple(labels),
            blind={each.content_hash: 1.0 for each in images[12:]},
            blind_drawn=True,
        )
    )
    return folder


def test_a_concept_is_scored_on_labels_that_the_document_does_not_show(
    concept: ConceptFolder, tmp_path: Path
) -> None:
    model = SeeingModel()
    more = {"home": tmp_path / "home", "out": tmp_path / "runs", "clip": HashingEncoder(), "vlm": model}
    writing = ConceptInstructions.open("warm", **more)
    assert writing.estimate().most_vlm_images == 2 * 4
    written = writing.write(score=True)
    assert (written.labels, written.marks, written.scored) == (12, 1, 4)  # four of six of each are pictures
    names, instructions = written.readers
    assert (names.right, instructions.right, instructions.kappa) == (0.5, 1.0, 1.0)
    assert instructions.ahead == 0.5
    run = Path(written.run)
    text = (run / "instructions.md").read_text(encoding="utf-8")
    assert "The picture is red." in text and text.count("](pictures/") == 8
    assert {data_of(question)["document"] for question in model.asked} == {
        text, "# How to label: warm\n\nFor the poster.\n",
    }  # fmt: skip
    assert (run / "instructions.html").read_text(encoding="utf-8").count("data:image/webp") == 8
    assert len(model.asked) == 8


def test_who_says_nothing_of_an_image_is_not_taken_to_say_out(concept: ConceptFolder, tmp_path: Path) -> None:
    """Silent of one blue picture in two, and right of all others: kappa is 1, and half of `right` is lost."""
    shy = SeeingModel()
    silent: set[str] = set()

    def told(data: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        url = shy.asked[-1].messages[-1].images[-1].data_url
        if "red" in data["document"] and colour_of(url) == OUT and (not silent or url in silent):
            silent.add(url)
            return {"rationale": "Too dark.", "label": "unsure", "confidence": 50}
        return said

    shy.told = told
    more = {"home": tmp_path / "home", "out": tmp_path / "runs", "clip": HashingEncoder(), "vlm": shy}
    names, instructions = ConceptInstructions.open("warm", **more).write(score=True).readers
    assert (names.unjudged, instructions.unjudged) == (0, 1)
    assert (instructions.kappa, instructions.right) == (1.0, 0.75)


def test_a_concept_without_another_label_cannot_be_scored(concept: ConceptFolder, tmp_path: Path) -> None:
    known = concept.load()
    concept.save(known.model_copy(update={"labels": known.labels[:4]}))
    writing = ConceptInstructions.open("warm", home=tmp_path / "home", out=tmp_path / "runs")
    assert writing.write().readers == ()
    with pytest.raises(InputError, match="no label to score on"):
        writing.write(score=True)


def test_the_command_knows_a_concept_by_its_name(
    concept: ConceptFolder, command_line: CommandLine, tmp_path: Path
) -> None:
    place = replace(command_line, home=tmp_path / "home")
    assert place.invoke("instructions", "warm", "--json").json["labels"] == 12
    lost = place.invoke("instructions", "warn")
    assert lost.code == 2 and "Did you mean warm?" in lost.err
    refused = place.invoke("instructions", "warm", "--llm", "any")
    assert refused.code == 2 and "has its own images and models" in refused.err
    odd = place.invoke("instructions", "warm", "--device", "toaster")
    assert odd.code == 2 and "is no device" in odd.err
