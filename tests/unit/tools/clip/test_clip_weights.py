"""Finding models: what each name leads to, and that nothing is guessed, fetched or unpickled."""

import json
import logging
import pickle
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import ModelError
from fieldmark.tools.clip import names as clip_names
from fieldmark.tools.clip import weights as clip_weights
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.clip.preprocessing import preprocessing_of
from fieldmark.tools.clip.unset_weights import UnsetWeights
from fieldmark.tools.clip.weights import find_model, model_identity, read_weights

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def empty_hub(tmp_path, monkeypatch):
    """A hub cache with nothing in it; returns its folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def tiny_architecture(tiny_folder, tmp_path, monkeypatch):
    """The tiny model as one that open_clip knows by name."""
    config = json.loads((tiny_folder / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-16", config)
    return "Tiny-16"


def identity(spec: str | Path, precision: str = "fp32") -> str:
    source = find_model(str(spec))
    return model_identity(source, read_weights(source), precision=precision)


def pickled(folder: Path, name: str = "open_clip_pytorch_model.bin") -> Path:
    """Replaces a folder's weights with a file that leaves a mark where it is unpickled."""
    mark = folder / "executed"

    class Evil:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    (folder / WEIGHTS).unlink(missing_ok=True)
    (folder / name).write_bytes(b"")
    with (folder / name).open("wb") as file:
        torch.save({"logit_scale": Evil()}, file, pickle_module=pickle)
    return mark


def test_random_weights_only_where_spelled_out(tiny_architecture, stores, caplog):
    with pytest.raises(ModelError, match="names no weights"):
        find_model(tiny_architecture)
    with pytest.raises(ModelError, match="names no weights"):
        find_model(tiny_architecture + ":")
    with caplog.at_level(logging.WARNING):
        encoder = open_encoder(f"{tiny_architecture}:random", vectors=stores, device="cpu")
    assert encoder.random_weights
    assert "random" in encoder.name
    assert any("random weights" in each.getMessage() for each in caplog.records)
    assert encoder.logit_scale == pytest.approx(1 / 0.07)
    first = encoder.encode_texts(["a red bird"])
    stores.by_identity.clear()
    state = torch.random.get_rng_state()
    again = open_encoder(f"{tiny_architecture}:random", vectors=stores, device="cpu").encode_texts(
        ["a red bird"]
    )
    assert torch.equal(first, again)
    assert torch.equal(state, torch.random.get_rng_state())
    other = open_encoder(f"{tiny_architecture}:random=7", vectors=stores, device="cpu")
    assert other.identity != encoder.identity
    assert not torch.equal(first, other.encode_texts(["a red bird"]))
    with pytest.raises(ModelError, match="no seed"):
        find_model(f"{tiny_architecture}:random=x")


def test_unknown_names_and_tags_list_near_ones():
    with pytest.raises(ModelError) as raised:
        find_model("VitB32:laion2b_s34b_b79k")
    assert "ViT-B-32" in raised.value.hint
    with pytest.raises(ModelError) as raised:
        find_model("ViT-B-32:laion2b_s34b")
    assert "laion2b_s34b_b79k" in raised.value.hint
    with pytest.raises(ModelError, match="neither a model"):
        find_model("no such thing at all")
    with pytest.raises(ModelError, match="No CLIP model"):
        find_model(" ")


def test_weights_that_are_not_here_are_an_error_with_the_command_that_fetches_them(empty_hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(ModelError) as raised:
        find_model("ViT-B-32:laion2b_s34b_b79k")
    assert raised.value.hint.endswith("fieldmark fetch ViT-B-32:laion2b_s34b_b79k")
    with pytest.raises(ModelError) as raised:
        find_model("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K")
    assert "fieldmark fetch hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K" in raised.value.hint
    with pytest.raises(ModelError, match="no repository name"):
        find_model("hf-hub:a/b/c/d")


def put_into_hub(hub: Path, repository: str, files: dict[str, Path], revision: str = "a" * 40) -> Path:
    home = hub / f"models--{repository.replace('/', '--')}"
    folder = home / "snapshots" / revision
    folder.mkdir(parents=True)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(revision)
    for name, path in files.items():
        shutil.copy(path, folder / name)
    return folder


def test_a_tag_that_was_fetched_with_its_own_preprocessing_and_activation(
    tiny_architecture, tiny_folder, empty_hub, monkeypatch, stores
):
    folder = put_into_hub(empty_hub, "me/tiny", {WEIGHTS: tiny_folder / WEIGHTS})
    tag = {"hf_hub": "me/tiny/", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.4, 0.4), "quick_gelu": True}
    monkeypatch.setitem(
        open_clip.pretrained._PRETRAINED, tiny_architecture, {"mine": tag, "plain": {"hf_hub": "me/tiny/"}}
    )
    source = find_model(f"{tiny_architecture}:mine")
    assert Path(source.weights).parent == folder
    encoder, plain = (
        open_encoder(f"{tiny_architecture}:{each}", vectors=stores, device="cpu")
        for each in ("mine", "plain")
    )
    network = encoder._loaded()
    assert network._mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert any(type(each).__name__ == "QuickGELU" for each in network._model.modules())
    assert not any(type(each).__name__ == "QuickGELU" for each in plain._loaded()._model.modules())
    assert encoder.identity != plain.identity
    assert encoder.preprocessing.key != plain.preprocessing.key
    for each in (encoder, plain):
        assert preprocessing_of(each.source).key == each.preprocessing.key


def test_a_name_that_no_file_can_have_is_an_unknown_name(tiny_architecture):
    for spec in ("x" * 300, f"{tiny_architecture}:{'x' * 300}"):
        with pytest.raises(ModelError):
            find_model(spec)


def test_a_file_as_weights(tiny_architecture, tiny_folder, stores):
    by_name = open_encoder(f"{tiny_architecture}:{tiny_folder / WEIGHTS}", vectors=stores, device="cpu")
    by_folder = open_encoder(str(tiny_folder), vectors=stores, device="cpu")
    # Same weights and texts, yet another preprocessing.
    assert by_name.identity != by_folder.identity
    assert torch.equal(by_name.encode_texts(["a red bird"]), by_folder.encode_texts(["a red bird"]))
    for each in (by_name, by_folder):
        assert preprocessing_of(each.source).key == each.preprocessing.key


def test_a_file_is_looked_for_in_the_folder_that_one_is_in(
    tiny_architecture, tiny_folder, tmp_path, monkeypatch
):
    metadata, spec = MemoryByteStore(), f"{tiny_architecture}:w.safetensors"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(tiny_folder / WEIGHTS, tmp_path / name / "w.safetensors")
        monkeypatch.chdir(tmp_path / name)
        found = find_model(spec, metadata=metadata)
        assert found.weights == str((tmp_path / name / "w.safetensors").resolve())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no weights named"):
        find_model(spec, metadata=metadata)


def test_a_name_with_its_full_path_in_it_opens_from_anywhere(tiny_architecture, model_folder, monkeypatch):
    for name in (model_folder.name, f"{tiny_architecture}:{model_folder.name}/{WEIGHTS}"):
        monkeypatch.chdir(model_folder.parent)
        source = find_model(name)
        lasting = source.lasting_spec
        monkeypatch.chdir(model_folder)
        again = find_model(lasting)
        assert (again.weights, again.lasting_spec) == (source.weights, lasting)
    for name in ("aviary", f"{tiny_architecture}:random"):
        assert find_model(name).lasting_spec == name


def test_a_hub_model_that_was_fetched(tiny_folder, empty_hub, stores):
    files = {name: tiny_folder / name for name in ("open_clip_config.json", WEIGHTS)}
    put_into_hub(empty_hub, "me/tiny", files)
    encoder = open_encoder("hf-hub:me/tiny", vectors=stores, device="cpu")
    assert encoder.identity == identity(tiny_folder)
    assert encoder.encode_texts(["a red bird"]).shape == (1, 24)


def test_a_model_is_found_again_without_asking_open_clip(
    tiny_architecture, tiny_folder, empty_hub, monkeypatch
):
    folder = put_into_hub(empty_hub, "me/tiny", {WEIGHTS: tiny_folder / WEIGHTS})
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_architecture, {"mine": {"hf_hub": "me/tiny/"}})
    spec, metadata = f"{tiny_architecture}:mine", MemoryByteStore()
    source = find_model(spec, metadata=metadata)
    real = clip_names.find_named_model
    asked: list[str] = []
    monkeypatch.setattr(clip_names, "find_named_model", lambda each: (asked.append(each), real(each))[1])
    assert find_model(spec, metadata=metadata) == source
    assert asked == []
    # A newer revision in the hub's cache, or weights that went away, and it is asked again.
    newer = put_into_hub(empty_hub, "me/tiny", {WEIGHTS: tiny_folder / WEIGHTS}, revision="b" * 40)
    assert Path(find_model(spec, metadata=metadata).weights).parent == newer != folder
    assert asked == [spec]
    shutil.rmtree(newer)
    with pytest.raises(ModelError, match="not on this machine"):
        find_model(spec, metadata=metadata)


def test_records_that_do_not_fit_are_a_logged_miss(tiny_architecture, caplog):
    spec = f"{tiny_architecture}:random"

    class Rubbish(MemoryByteStore):
        def get(self, key, *, schema):
            return b'{"spec": 5}'

    with caplog.at_level(logging.WARNING):
        assert find_model(spec, metadata=Rubbish()).random_seed == 0
    assert any("does not fit" in each.getMessage() for each in caplog.records)


def test_large_weights_are_hashed_once_for_a_path_size_and_time(model_folder, monkeypatch):
    source, metadata = find_model(str(model_folder)), MemoryByteStore()
    monkeypatch.setattr(clip_weights, "_HASH_AGAIN_BELOW", 0)
    hashed: list[Path] = []
    real = clip_weights._facts
    monkeypatch.setattr(clip_weights, "_facts", lambda path: (hashed.append(path), real(path))[1])
    facts = read_weights(source, metadata=metadata)
    assert read_weights(source, metadata=metadata) == facts
    assert len(hashed) == 1
    with (model_folder / WEIGHTS).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert read_weights(source, metadata=metadata).sha256 != facts.sha256


@pytest.mark.parametrize("part", ["weights", "model", "preprocess", "tokenizer", "precision"])
def test_each_part_is_in_the_identity(tiny_folder, model_folder, part):
    assert identity(model_folder) == identity(tiny_folder)
    config_path = model_folder / "open_clip_config.json"
    config = json.loads(config_path.read_text())
    if part == "precision":
        assert identity(model_folder, "bf16") != identity(tiny_folder)
        return
    if part == "weights":
        with (model_folder / WEIGHTS).open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x7f")
    elif part == "model":
        config["model_cfg"]["quick_gelu"] = True
    elif part == "preprocess":
        config["preprocess_cfg"]["mean"][0] += 0.01
    else:
        config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"bpe_path": "merges.gz"}
        bpe = Path(open_clip.tokenizer.default_bpe())
        (model_folder / "merges.gz").write_bytes(bpe.read_bytes())
        config_path.write_text(json.dumps(config))
        first = identity(model_folder)
        (model_folder / "merges.gz").write_bytes(bpe.read_bytes() + b"\0")
        assert identity(model_folder) != first
    config_path.write_text(json.dumps(config))
    assert identity(model_folder) != identity(tiny_folder)


def test_a_folder_brings_its_own_merges_from_wherever_it_is_opened(
    model_folder, stores, tmp_path, monkeypatch
):
    config_path = model_folder / "open_clip_config.json"
    config = json.loads(config_path.read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"bpe_path": "merges.gz"}
    config_path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"merges\.gz is missing"):
        find_model(str(model_folder))
    shutil.copy(open_clip.tokenizer.default_bpe(), model_folder / "merges.gz")
    monkeypatch.chdir(tmp_path)
    assert open_encoder("model", vectors=stores, device="cpu").encode_texts(["a bird"]).shape == (1, 24)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "holds no weights"),
        (lambda folder: (folder / "open_clip_config.json").unlink(), "no model folder"),
        (lambda folder: (folder / "open_clip_config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "open_clip_config.json").write_text("[]"), "lacks"),
        (
            lambda folder: (folder / "open_clip_config.json").write_text('{"model_cfg": {"text_cfg": {}}}'),
            "lacks",
        ),
        (
            lambda folder: (folder / "open_clip_config.json").write_text(
                '{"model_cfg": {"embed_dim": "many", "text_cfg": {}, "vision_cfg": {}}}'
            ),
            "embed_dim",
        ),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), "damaged"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"rubbish" * 99), "damaged"),
        (lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100]), "damaged"),
    ],
)
def test_spoiled_folders_are_errors_when_they_are_opened(model_folder, stores, spoil, message):
    spoil(model_folder)
    with pytest.raises(ModelError, match=message) as raised:
        open_encoder(str(model_folder), vectors=stores, device="cpu")
    assert raised.value.hint


def test_a_weight_that_the_file_lacks_is_an_error(model_folder, stores):
    tensors = load_file(model_folder / WEIGHTS)
    del tensors["visual.ln_post.weight"]
    save_file(tensors, model_folder / WEIGHTS)
    with pytest.raises(ModelError, match="cannot be built"):
        open_encoder(str(model_folder), vectors=stores, device="cpu").encode_texts(["a"])


def test_first_values_are_left_out_only_within_and_only_there():
    tensor = torch.full((2,), 7.0)
    with UnsetWeights():
        assert torch.nn.init.normal_(tensor) is tensor
        assert torch.equal(tensor, torch.tensor([7.0, 7.0]))
        assert torch.equal(tensor + 1, torch.tensor([8.0, 8.0]))
    assert not torch.equal(torch.nn.init.normal_(tensor), torch.tensor([7.0, 7.0]))


def test_weights_of_another_shape_are_an_error(model_folder, stores):
    config_path = model_folder / "open_clip_config.json"
    config = json.loads(config_path.read_text())
    config["model_cfg"]["embed_dim"] = 25
    config_path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="cannot be built"):
        open_encoder(str(model_folder), vectors=stores, device="cpu").encode_texts(["a"])


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pth"])
def test_pickles_are_refused_and_never_run(model_folder, stores, name):
    mark = pickled(model_folder, name)
    with pytest.raises(ModelError, match="pickled objects"):
        open_encoder(str(model_folder), vectors=stores, device="cpu")
    assert not mark.exists()


def test_a_pickle_is_refused_as_a_files_weights_too(tiny_architecture, model_folder, stores):
    mark = pickled(model_folder, "weights.pt")
    with pytest.raises(ModelError, match="pickled objects"):
        open_encoder(f"{tiny_architecture}:{model_folder / 'weights.pt'}", vectors=stores, device="cpu")
    assert not mark.exists()


def test_plain_tensors_in_a_bin_file_are_taken(model_folder, tiny_folder, stores):
    torch.save(load_file(model_folder / WEIGHTS), model_folder / "open_clip_pytorch_model.bin")
    (model_folder / WEIGHTS).unlink()
    encoder = open_encoder(str(model_folder), vectors=stores, device="cpu")
    original = open_encoder(str(tiny_folder), vectors=stores, device="cpu")
    assert encoder.logit_scale == original.logit_scale
    assert torch.equal(encoder.encode_texts(["a red bird"]), original.encode_texts(["a red bird"]))


def test_a_folder_goes_before_a_name(tiny_folder, tmp_path, monkeypatch):
    shutil.copytree(tiny_folder, tmp_path / "RN50")
    monkeypatch.chdir(tmp_path)
    assert Path(find_model("RN50").folder) == tmp_path / "RN50"
