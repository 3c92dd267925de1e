import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from fieldmark import ConceptClassifier, predict_concepts
from fieldmark.app.stores import open_stores
from fieldmark.errors import InputError, ModelError, NoImagesError
from fieldmark.records import Clause, Definition
from fieldmark.records.concept_predictions import ClauseScore, ConceptPrediction
from fieldmark.tools.concepts.heads.export import export_head
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer

TREE = Definition(
    clauses=(
        Clause(id="a", role="necessary", text="It is a bird."),
        Clause(id="x", role="negative", text="It is red."),
    )
)


@pytest.fixture
def exported(tmp_path):
    """A head of the bundled encoder, with made-up weights."""
    with open_stores(tmp_path / "home") as stores:
        encoder = stores.encoder("aviary", device="cpu")
        chance = torch.Generator().manual_seed(0)
        layer = Layer(torch.randn(3, encoder.width, generator=chance) * 4, torch.zeros(3))
        head = Head(HeadNetwork(layer), "logic", TREE, threshold=0.4)
        export_head(tmp_path / "export", head, concept="x", version=2, encoder=encoder)
    return tmp_path / "export"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_three_lines_are_enough(exported, pictures, tmp_path):
    with ConceptClassifier(exported, home=tmp_path / "home") as classifier:
        found = classifier.predict(pictures)
    assert [Path(p.image).name for p in found.predictions] == ["0.png", "1.png", "2.png", "3.png"]
    assert found.version == 2
    assert [Path(skipped.path).name for skipped in found.skipped] == ["broken.jpg"]
    for one in found.predictions:
        assert one.label == ("in" if one.probability >= 0.4 else "out")
        bird, red = one.clauses
        assert one.probability == pytest.approx(min(bird.probability, 1 - red.probability), abs=1e-5)
        assert one.decided_by in one.clauses
        if one.label == "out":
            assert one.decided_by == (bird if bird.probability < 1 - red.probability else red)
    again = ConceptClassifier(exported, home=tmp_path / "home")
    assert again.predict([pictures / "0.png"]).predictions == found.predictions[:1]
    for _ in range(2):  # a file that was found broken before is named again
        told = again.predict([pictures / "0.png", pictures / "broken.jpg"]).skipped
        assert [Path(skipped.path).name for skipped in told] == ["broken.jpg"]
    assert again.predict([pictures / "0.png"]).skipped == ()
    again.close()


def test_another_encoder_is_refused(exported, tmp_path):
    with pytest.raises(ModelError, match="was made with aviary"):
        ConceptClassifier(exported, clip="RN50:random", home=tmp_path / "home")


def test_a_folder_that_is_no_export_and_images_that_are_none(exported, tmp_path):
    with pytest.raises(InputError, match="no exported classifier"):
        ConceptClassifier(tmp_path, home=tmp_path / "home")
    (tmp_path / "empty").mkdir()
    with ConceptClassifier(exported, home=tmp_path / "home") as classifier, pytest.raises(NoImagesError):
        classifier.predict(tmp_path / "empty")


def prediction(label: str, **probabilities: float) -> ConceptPrediction:
    """Clauses "n1", "p1", "x1", ... by the letter of their role."""
    roles = {"n": "necessary", "p": "positive", "x": "negative"}
    clauses = tuple(
        ClauseScore(clause=name, role=roles[name[0]], text=name, probability=p)
        for name, p in probabilities.items()
    )
    return ConceptPrediction.model_validate(
        {"image": "a", "image_hash": "a", "label": label, "probability": 0.5, "clauses": clauses}
    )


@pytest.mark.parametrize(
    ("label", "clauses", "decided"),
    [
        ("out", {"n1": 0.4, "p1": 0.01, "p2": 0.9, "x1": 0.2}, "n1"),  # p2 holds: p1 put nothing out
        ("out", {"n1": 0.8, "p1": 0.01, "p2": 0.1, "x1": 0.2}, "p2"),
        ("out", {"n1": 0.8, "p1": 0.01, "p2": 0.9, "x1": 0.7}, "x1"),
        ("in", {"n1": 0.99, "p1": 0.1, "p2": 0.7, "x1": 0.2}, "p2"),
        ("in", {"n1": 0.9, "n2": 0.7, "x1": 0.2}, "n1"),
        ("in", {"x1": 0.2, "x2": 0.1}, "x2"),
        ("in", {}, None),
    ],
)
def test_the_clause_named_is_one_that_could_have_decided(label, clauses, decided):
    found = prediction(label, **clauses).decided_by
    assert (found and found.clause) == decided


def test_many_concepts_are_one_table(exported, pictures, tmp_path):
    many = tmp_path / "exports"
    for name in ("one", "two"):
        shutil.copytree(exported, many / name)
    config = json.loads((many / "two" / "config.json").read_text())
    (many / "two" / "config.json").write_text(json.dumps({**config, "concept": "y", "threshold": 0.0}))
    found = predict_concepts([many, exported], pictures, home=tmp_path / "home", device="cpu")
    assert [each.class_name for each in found.classes] == ["x v2", "y", "x v2 (2)"]
    with ConceptClassifier(exported, home=tmp_path / "home", device="cpu") as classifier:
        alone = classifier.predict(pictures)
    for row, own in zip(found.images, alone.predictions, strict=True):
        assert (row.image, row.every) == (own.image, (own.probability,) * 3)
        assert set(row.labels) == ({"x v2", "x v2 (2)", "y"} if own.label == "in" else {"y"})
    assert found.classes[1].images == 4
    assert [Path(each.path).name for each in found.skipped] == ["broken.jpg"]
    with pytest.raises(InputError, match="holds no exported classifier"):
        predict_concepts([pictures], pictures)
