import json

import numpy as np
import onnxruntime
import pytest
import torch

from fieldmark.errors import InputError, ModelError
from fieldmark.records import Clause, Definition
from fieldmark.tools.concepts.heads import export as heads_export
from fieldmark.tools.concepts.heads.config import read_config, verify_export
from fieldmark.tools.concepts.heads.export import add_onnx, check_encoder, export_head, load_head
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer

CLAUSES = (
    Clause(id="a", role="necessary", text="a"),
    Clause(id="gone", role="necessary", text="g", state="dropped"),
    Clause(id="b", role="positive", text='b "{}"'),
    Clause(id="c", role="positive", text="c"),
    Clause(id="x", role="negative", text="x"),
)


class FakeEncoder:
    def __init__(self, name="ViT-B-32:openai", identity="0" * 64, width=12):
        self.name, self.identity, self.width = name, identity, width


def made_head(hidden, route, clauses=CLAUSES, width=12):
    rng = torch.Generator().manual_seed(4)
    definition = Definition(clauses=clauses)
    outputs = len(definition.active) + 1

    def layer(out, size):
        return Layer(torch.randn(out, size, generator=rng), torch.randn(out, generator=rng))

    network = HeadNetwork(layer(outputs, hidden or width), layer(hidden, width) if hidden else None)
    return Head(network, route, definition, slope=1.3, intercept=-0.4, threshold=0.37)


@pytest.mark.parametrize("hidden", [0, 5])
@pytest.mark.parametrize(
    ("route", "clauses"),
    [
        ("direct", CLAUSES),
        ("direct", ()),
        ("logic", CLAUSES),
        ("logic", CLAUSES[:1]),
        ("logic", CLAUSES[2:4]),
    ],
)
def test_both_files_give_the_same_scores(tmp_path, hidden, route, clauses):
    head = made_head(hidden, route, clauses)
    export_head(tmp_path, head, concept="x", version=3, encoder=FakeEncoder())
    loaded, config = load_head(tmp_path, FakeEncoder())
    assert config.version == 3
    vectors = torch.nn.functional.normalize(torch.randn(500, 12, generator=torch.manual_seed(0)), dim=1) * 3
    p, told = head.probabilities(vectors)
    again, told_again = loaded.probabilities(vectors)
    assert torch.equal(p, again)
    assert torch.equal(told, told_again)
    assert loaded.threshold == head.threshold
    session = onnxruntime.InferenceSession(verify_export(tmp_path) and tmp_path / "head.onnx")
    outputs = session.run(None, {"vectors": vectors.numpy()})
    assert np.abs(outputs[0] - p.numpy()).max() < 1e-5
    assert float(p.max() - p.min()) > 0.1
    if clauses:
        assert np.abs(outputs[1] - told.numpy()).max() < 1e-5


def test_another_encoder_or_preprocessing_is_refused(tmp_path):
    config = export_head(tmp_path, made_head(0, "logic"), concept="x", version=1, encoder=FakeEncoder())
    with pytest.raises(ModelError, match=r"was made with ViT-B-32:openai .* not with ViT-L-14:openai"):
        load_head(tmp_path, FakeEncoder("ViT-L-14:openai", "1" * 64))
    with pytest.raises(ModelError, match="other weights, preprocessing or precision"):
        check_encoder(config, FakeEncoder(identity="1" * 64))
    with pytest.raises(ModelError, match="width 12"):
        export_head(tmp_path, made_head(0, "logic"), concept="x", version=1, encoder=FakeEncoder(width=13))


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: flipped(folder / "head.safetensors"), "not what was exported"),
        (lambda folder: (folder / "head.safetensors").unlink(), "head.safetensors is damaged"),
        (lambda folder: (folder / "head.safetensors").write_bytes(b"\x80\x04cos\nsystem\n."), "not what was"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is damaged"),
        (
            lambda folder: (folder / "config.json").write_text('{"format": "pickle/1"}'),
            "config.json is damaged",
        ),
        (lambda folder: (folder / "config.json").unlink(), "holds no exported classifier"),
        (
            lambda folder: (folder / "config.json").write_text('{"route": "tree"}'),
            "multiplies what it makes of the clauses",
        ),
    ],
)
def test_a_damaged_export_is_refused(tmp_path, damage, says):
    export_head(tmp_path, made_head(5, "direct"), concept="x", version=1, encoder=FakeEncoder())
    damage(tmp_path)
    with pytest.raises(InputError, match=says):
        load_head(tmp_path, FakeEncoder())


def test_a_damaged_onnx_file_is_refused(tmp_path):
    export_head(tmp_path, made_head(5, "direct"), concept="x", version=1, encoder=FakeEncoder())
    flipped(tmp_path / "head.onnx")
    with pytest.raises(InputError, match=r"head\.onnx is damaged"):
        verify_export(tmp_path)


def test_without_onnx_the_file_is_left_out_and_added_later(tmp_path, monkeypatch):
    head = made_head(5, "logic")
    export_head(tmp_path, head, concept="x", version=1, encoder=FakeEncoder())
    whole = (tmp_path / "head.onnx").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(heads_export, "onnx_installed", lambda: False)
        config = export_head(tmp_path, head, concept="x", version=1, encoder=FakeEncoder())
        assert add_onnx(tmp_path) == config
    assert set(config.files) == {"head.safetensors"}
    assert not (tmp_path / "head.onnx").exists()
    assert verify_export(tmp_path) == config
    assert load_head(tmp_path, FakeEncoder())[0].threshold == head.threshold
    assert set(add_onnx(tmp_path).files) == {"head.safetensors", "head.onnx"}
    verify_export(tmp_path)
    assert (tmp_path / "head.onnx").read_bytes() == whole


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    export_head(tmp_path, made_head(5, "direct"), concept="x", version=1, encoder=FakeEncoder())
    config = json.loads((tmp_path / "config.json").read_text())
    config["definition"]["clauses"] = config["definition"]["clauses"][:1]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="do not fit"):
        load_head(tmp_path, FakeEncoder())
    assert read_config(tmp_path).concept == "x"
