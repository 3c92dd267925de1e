"""A threshold that the owner keeps: exports and predictions go by it, and the blind test is not looked at."""

import json
from pathlib import Path

import pytest
import torch

from fieldmark.app.concepts.builder import ConceptBuilder
from fieldmark.app.concepts.results import ConceptResults
from fieldmark.errors import InputError, RunError
from fieldmark.tools.concepts.built import read_built, read_measurement
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.heads.config import read_config, set_threshold
from fieldmark.tools.concepts.heads.export import export_head
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.app.concepts.test_concept_exporting import FakeEncoder
from tests.unit.studio.studio_concepts import made_build, made_concept


def built_concept(place: Path) -> tuple[ConceptFolder, Path]:
    """A concept whose version 2 has a classifier with the threshold 0.5, and was measured."""
    folder = made_concept(place)
    out = made_build(folder, version=2)
    definition = folder.load().definition
    clauses = len(definition.active)
    head = Head(HeadNetwork(Layer(torch.ones(clauses + 1, 4), torch.zeros(clauses + 1))), "logic", definition)
    export_head(out, head, concept=folder.load().name, version=2, encoder=FakeEncoder())  # type: ignore[arg-type]
    (out / "instructions.md").write_text("# How", encoding="utf-8")
    return folder, out


def test_exports_go_by_it_and_the_history_notes_it(tmp_path: Path) -> None:
    folder, out = built_concept(tmp_path)
    looks, measured = folder.load().blind_looks, read_measurement(out)
    builder = ConceptBuilder.open(folder.load().name, home=tmp_path / "home")
    for _ in range(2):  # a second click says nothing new
        assert builder.keep_threshold(0.4).in_force == 0.4
    exported = builder.export(tmp_path / "out")
    assert (
        exported.config.threshold
        == 0.4
        == json.loads((tmp_path / "out" / "config.json").read_text())["threshold"]
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "threshold 0.400 on calibrated probabilities, which the owner keeps in place of 0.500" in card
    assert "It was measured with the threshold 0.500" in card
    assert [each.answer for each in folder.load().decisions if each.kind == "threshold"] == ["0.50 → 0.40"]
    assert (folder.load().blind_looks, read_measurement(out)) == (looks, measured)
    assert ConceptResults.of(folder, 2).measured_with == 0.5
    assert {each.image for each in ConceptResults.of(folder, 2).wrong_pictures} == {
        each.image
        for each in ConceptResults.of(folder, 2).calibration.images  # type: ignore[union-attr]
        if (each.p >= 0.4) != each.inside
    }


def test_the_builds_own_is_taken_again(tmp_path: Path) -> None:
    folder, out = built_concept(tmp_path)
    builder = ConceptBuilder.open(folder.load().name, home=tmp_path / "home")
    builder.keep_threshold(0.4)
    assert builder.keep_threshold(0.5).kept is None
    assert read_config(out).threshold == 0.5
    assert ConceptResults.of(folder, 2).measured_with is None
    assert [each.answer for each in folder.load().decisions][-2:] == ["0.50 → 0.40", "0.40 → 0.50"]


def test_what_a_page_shows_of_the_builds_own_is_the_builds_own(tmp_path: Path) -> None:
    folder, out = built_concept(tmp_path)
    built = read_built(out)
    assert built is not None
    RunFolder(out).write("build.json", built.model_copy(update={"threshold": 0.562315}))
    set_threshold(out, 0.562315)
    builder = ConceptBuilder.open(folder.load().name, home=tmp_path / "home")
    assert builder.keep_threshold(0.56) == read_built(out)
    assert not [each for each in folder.load().decisions if each.kind == "threshold"]
    assert builder.keep_threshold(0.4, why="too many strays").in_force == 0.4
    assert folder.load().decisions[-1].answer == "0.56 → 0.40: too many strays"
    assert builder.keep_threshold(0.56).kept is None
    assert read_config(out).threshold == 0.562315


def test_what_cannot_be_kept(tmp_path: Path) -> None:
    folder, out = built_concept(tmp_path)
    name = folder.load().name
    for wrong in (1.1, -0.1, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            ConceptBuilder.open(name, home=tmp_path / "home").keep_threshold(wrong)
    with pytest.raises(RunError, match="has no classifier yet"):
        ConceptBuilder.open(name, version=1, home=tmp_path / "home").keep_threshold(0.4)
    (out / "head.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError):
        ConceptBuilder.open(name, home=tmp_path / "home").keep_threshold(0.4)
    assert not [each for each in folder.load().decisions if each.kind == "threshold"]
