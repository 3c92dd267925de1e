"""An encoder tuned to labelled pictures is kept, opened by its folder, and labels as it did in memory."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fieldmark import Classifier, adapt
from fieldmark.errors import InputError, ModelError, SettingsError
from fieldmark.testing import ScriptedModel, data_of
from fieldmark.tools.clip.adapters.stored import read_card
from fieldmark.tools.clip.weights import BUNDLED, find_model

COLOURS = {"red finch": (200, 40, 40), "blue finch": (40, 40, 200)}
SAID = {"noun": {"noun": "bird"}, "describe": lambda q: {"descriptors": [f"a {data_of(q)['class']} back"]}}


@pytest.fixture
def labelled(tmp_path):
    chance = np.random.default_rng(0)
    folder = tmp_path / "labelled"
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(4):
            noise = chance.integers(-40, 40, (24, 24, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("method", ["gist-labels", "adapt-labels"])
def test_a_kept_encoder_labels_by_its_folder(method, labelled, tmp_path):
    home = tmp_path / "home"
    model = ScriptedModel(SAID)
    done = adapt(labelled, tmp_path / "kept", method=method, clip="aviary", llm=model, home=home)
    assert (done.card.classes, done.card.images, done.card.held_out) == (2, 8, 2)
    assert done.card == read_card(tmp_path / "kept")
    assert done.card.last_loss < done.card.first_loss
    assert model.kinds() == ["noun.v1", "describe.v1"]
    # A linear map also takes the pool along that centres scores.
    assert (tmp_path / "kept" / "reference.safetensors").is_file() == (method == "adapt-labels")

    def labels(clip):
        classifier = Classifier(
            classes=list(COLOURS), method="clip", clip=clip, home=home, out=tmp_path / "runs"
        )
        return [(each.label, each.confidence) for each in classifier.resolve(labelled)]

    kept = labels(str(tmp_path / "kept"))
    card = tmp_path / "kept" / "adapter.json"
    whole = card.read_text()
    card.write_text(whole.replace('"logit_scale": ', '"logit_scale": -'))
    assert kept == labels(str(tmp_path / "kept")), "the scale is that of the tensors, whose hash is kept"
    card.write_text(whole)
    assert kept != labels("aviary")
    assert kept == labels(str(tmp_path / "kept"))
    with pytest.raises(ModelError, match="adapted already"):
        adapt(labelled, tmp_path / "twice", clip=str(tmp_path / "kept"), llm=model, home=home)
    adapt(labelled, tmp_path / "kept", method="gist-labels", clip="aviary", llm=model, home=home)
    assert not (tmp_path / "kept" / "reference.safetensors").exists()


def test_the_same_encoder_is_tuned_once(labelled, tmp_path, monkeypatch):
    given = {"clip": "aviary", "llm": ScriptedModel(SAID), "home": tmp_path / "home"}
    first = adapt(labelled, tmp_path / "one", **given)
    monkeypatch.setattr("fieldmark.evals.methods.adapters.tune_linear", None)
    assert adapt(labelled, tmp_path / "two", **given).card == first.card
    for name in ("adapter.json", "adapter.safetensors", "reference.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with pytest.raises(TypeError):
        adapt(labelled, tmp_path / "two", seed=1, **given)


def test_a_relative_name_of_the_base_opens_from_anywhere(labelled, tmp_path, monkeypatch):
    weights = BUNDLED / "aviary"
    shutil.copytree(weights, tmp_path / "there" / "model")
    monkeypatch.chdir(tmp_path / "there")
    given = {"llm": ScriptedModel(SAID), "home": tmp_path / "home"}
    done = adapt(labelled, tmp_path / "kept", clip="model", **given)
    assert done.card.base == str(tmp_path / "there" / "model")
    monkeypatch.chdir(tmp_path)
    assert find_model(str(tmp_path / "kept")).adapter == str(tmp_path / "kept")


def test_what_cannot_be_tuned_is_told(labelled, tmp_path):
    given = {"clip": "aviary", "llm": ScriptedModel(SAID), "home": tmp_path / "home"}
    with pytest.raises(InputError, match="Did you mean gist"):
        adapt(labelled, tmp_path / "out", method="gits", **given)
    with pytest.raises(InputError, match="holds no adapter"):
        adapt(labelled, labelled, **given)
    with pytest.raises(InputError, match="two classes"):
        adapt(labelled / "red finch", tmp_path / "out", **given)
    with pytest.raises(SettingsError, match="none is named"):
        adapt(labelled, tmp_path / "out", clip="aviary", home=tmp_path / "home")
    assert not (tmp_path / "out").exists()


def test_what_of_the_labels_does_not_count_is_told(labelled, tmp_path, monkeypatch):
    (tmp_path / "aviary").mkdir()  # a folder of a bundled model's name is no model
    monkeypatch.chdir(tmp_path)
    (labelled / "green finch").mkdir()
    for each in (labelled / "blue finch").iterdir():
        (labelled / "green finch" / each.name).write_bytes(each.read_bytes())
    given = {"clip": "aviary", "llm": ScriptedModel(SAID), "home": tmp_path / "home"}
    done = adapt(labelled, tmp_path / "kept", **given)
    assert done.card.classes == 2
    assert "No image is left of: blue finch." in done.notes
    assert any("more than one label: 4." in note for note in done.notes)
