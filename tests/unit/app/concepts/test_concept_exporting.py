import json

import pytest
import torch

from fieldmark.app.concepts.export import export_folder
from fieldmark.errors import InputError, RunError
from fieldmark.records import Clause, Definition
from fieldmark.tools.concepts.heads import export as heads_export
from fieldmark.tools.concepts.heads.config import verify_export
from fieldmark.tools.concepts.heads.export import export_head
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer

TREE = Definition(clauses=(Clause(id="a", role="necessary", text="It is a bird."),))
PICTURE = f"{'a' * 16}.jpg"


class FakeEncoder:
    name, identity, width = "x:y", "0" * 64, 4


def built(folder, seed=0):
    """A build's folder, as `write_classifier` leaves it."""
    source = folder / "concepts" / "x" / "models" / "v1"
    chance = torch.Generator().manual_seed(seed)
    head = Head(HeadNetwork(Layer(torch.randn(2, 4, generator=chance), torch.zeros(2))), "logic", TREE)
    export_head(source, head, concept="x", version=1, encoder=FakeEncoder())
    (source / "instructions.md").write_text("# How")
    (source / "exemplars").mkdir(exist_ok=True)
    (source / "exemplars" / PICTURE).write_bytes(b"jpg")
    (source / "measurement.json").write_text("{}")
    return source


def test_what_is_exported_and_what_stays(tmp_path):
    done = export_folder(built(tmp_path), tmp_path / "out", card="# x")
    assert set(done.files) == {
        "README.md", "config.json", "head.onnx", "head.safetensors", "instructions.md",
        f"exemplars/{PICTURE}",
    }  # fmt: skip
    assert (tmp_path / "out" / "README.md").read_text() == "# x"
    assert not (tmp_path / "out" / "measurement.json").exists(), "it names images of the blind test"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["concepts", "out"]


def test_without_onnx_an_earlier_onnx_file_does_not_stay(tmp_path, monkeypatch):
    export_folder(built(tmp_path), tmp_path / "out", card="# x")
    monkeypatch.setattr(heads_export, "onnx_installed", lambda: False)
    done = export_folder(built(tmp_path), tmp_path / "out", card="# x")
    assert "head.onnx" not in done.files
    assert not (tmp_path / "out" / "head.onnx").exists()
    assert verify_export(tmp_path / "out") == done.config


def test_an_export_that_was_cut_short_is_refused_until_it_is_made_again(tmp_path, monkeypatch):
    export_folder(built(tmp_path), tmp_path / "out", card="# x")
    source = built(tmp_path, seed=1)
    replace, moved = type(tmp_path).replace, []

    def failing(path, target):
        if len(moved) == 1:
            raise OSError("no space left on device")
        moved.append(path)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "replace", failing)
        with pytest.raises(InputError, match="no space left"):
            export_folder(source, tmp_path / "out", card="# x")
    with pytest.raises(InputError, match="damaged"):
        verify_export(tmp_path / "out")
    export_folder(source, tmp_path / "out", card="# x")
    assert verify_export(tmp_path / "out") == verify_export(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["concepts", "out"]


def test_a_build_that_lacks_something_is_not_exported(tmp_path):
    source = built(tmp_path)
    (source / "instructions.md").unlink()
    with pytest.raises(RunError, match="gone"):
        export_folder(source, tmp_path / "out", card="# x")
    source = built(tmp_path)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "files": {}}))
    with pytest.raises(RunError, match="damaged"):
        export_folder(source, tmp_path / "out", card="# x")
    assert not (tmp_path / "out").exists()
