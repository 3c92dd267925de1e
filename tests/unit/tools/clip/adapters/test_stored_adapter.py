"""A stored adapter opens as an encoder: the bits of the one in memory, its own identity, its base alone."""

import json
import re
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from fieldmark.cache.keys import digest
from fieldmark.errors import ModelError
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.adapters.stored import TENSORS, AdapterCard, EncoderChange
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.clip.last_layers import change_last_layers
from fieldmark.tools.clip.model_source import ADAPTER, REFERENCE
from fieldmark.tools.clip.weights import base_identity, find_model, read_weights
from fieldmark.tools.images.files import find_images

SCALE = 12.5


def adapter_for(encoder, *, linear, seed=0):
    chance = torch.Generator().manual_seed(seed)
    if linear:
        return LinearAdapter(
            torch.randn(encoder.width, encoder.width, generator=chance) / 30, (2.0, 1.0), SCALE
        )
    layers = encoder.last_layers
    changes = {
        name: (torch.randn(2, inside, generator=chance) / 9, torch.randn(out, 2, generator=chance) / 9)
        for name, (out, inside) in layers.sizes.items()
    }
    return LowRankAdapter(layers, changes, (2.0, 1.0), SCALE)


def stored(folder, adapter, base):
    folder.mkdir()
    packed = EncoderChange.of(adapter).packed()
    (folder / TENSORS).write_bytes(packed)
    source = find_model(base)
    card = AdapterCard(
        base=base, base_identity=base_identity(source, read_weights(source)),
        sha256=sha256(packed).hexdigest(), width=source.width, method="gist-labels", recipe={}, classes=2,
        images=8, texts=4, first_loss=2.0,
        last_loss=1.0, held_out=0, right_before=0, right_after=0, logit_scale=SCALE, base_logit_scale=20.0,
    )  # fmt: skip
    (folder / ADAPTER).write_text(card.model_dump_json())
    return str(folder)


@pytest.fixture(params=["tiny", "aviary"])
def base(request, tiny_folder):
    return str(tiny_folder) if request.param == "tiny" else "aviary"


@pytest.mark.parametrize("linear", [True, False], ids=["linear", "low rank"])
def test_what_was_stored_opens_with_the_bits_of_the_one_in_memory(
    base, linear, stores, picture_folder, tmp_path
):
    images = find_images(picture_folder).images
    plain = open_encoder(base, vectors=stores, device="cpu", workers=1)
    adapter = adapter_for(plain, linear=linear)
    opened = open_encoder(stored(tmp_path / "kept", adapter, base), vectors=stores, device="cpu", workers=1)
    before = plain.encode_images(images).vectors
    texts = plain.encode_texts(["a red bird"])

    assert opened.identity != plain.identity
    assert opened.logit_scale == SCALE
    assert torch.equal(opened.encode_texts(["a red bird"]), texts)
    after = opened.encode_images(images).vectors
    assert float((after - before).abs().max()) > 0.01
    # Nothing that was stored of one is taken for the other.
    assert torch.equal(plain.encode_images(images).vectors, before)
    assert len(stores.by_identity) == 2

    in_memory = open_encoder(base, vectors=lambda _, width: stores("memory", width), device="cpu", workers=1)
    network = in_memory._loaded()
    if linear:
        network._linear = adapter.change
        exact = adapter(before)
    else:
        change_last_layers(network._model.visual, adapter.changes)
        exact = adapter(plain.encode_features(images).rows)
    assert torch.equal(in_memory.encode_images(images).vectors, after)
    torch.testing.assert_close(exact, after, atol=3e-3, rtol=0)


def test_an_adapter_is_refused_where_its_base_is_another_model(model_folder, stores, tmp_path):
    plain = open_encoder(str(model_folder), vectors=stores, device="cpu")
    kept = stored(tmp_path / "kept", adapter_for(plain, linear=True), str(model_folder))
    open_encoder(kept, vectors=stores, device="cpu")
    weights = model_folder / "open_clip_model.safetensors"
    tensors = load_file(weights)
    tensors["visual.proj"] += 0.01
    save_file(tensors, weights)
    with pytest.raises(ModelError, match="is another model"):
        open_encoder(kept, vectors=stores, device="cpu")


def test_an_adapter_of_an_adapter_is_refused(stores, tmp_path):
    plain = open_encoder("aviary", vectors=stores, device="cpu")
    kept = stored(tmp_path / "kept", adapter_for(plain, linear=True), "aviary")
    card = json.loads((tmp_path / "kept" / ADAPTER).read_text())
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / ADAPTER).write_text(json.dumps(card | {"base": kept}))
    with pytest.raises(ModelError, match="another adapter"):
        open_encoder(str(tmp_path / "two"), vectors=stores, device="cpu")


@pytest.mark.parametrize(
    ("name", "content"),
    [(ADAPTER, b"{}"), (ADAPTER, b"\xff\xfe"), (TENSORS, b"not tensors"), (TENSORS, None)],
)
def test_a_damaged_adapter_is_refused(name, content, stores, picture_folder, tmp_path):
    plain = open_encoder("aviary", vectors=stores, device="cpu")
    kept = stored(tmp_path / "kept", adapter_for(plain, linear=True), "aviary")
    path = tmp_path / "kept" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ModelError, match="adapt again"):
        opened = open_encoder(kept, vectors=stores, device="cpu", workers=1)
        opened.encode_images(find_images(picture_folder).images)


@pytest.mark.parametrize("data", [b"edited", None])
def test_a_reference_pool_that_is_not_the_one_written_is_refused(data, stores, tmp_path):
    plain = open_encoder("aviary", vectors=stores, device="cpu")
    kept = stored(tmp_path / "kept", adapter_for(plain, linear=True), "aviary")
    pool, card = tmp_path / "kept" / REFERENCE, tmp_path / "kept" / ADAPTER
    pool.write_bytes(save({"image_vectors": torch.ones(2, plain.width)}))
    with pytest.raises(ModelError, match="reference"):  # the card knows of none
        open_encoder(kept, vectors=stores, device="cpu")
    card.write_text(
        json.dumps(json.loads(card.read_text()) | {"reference_sha256": digest(pool.read_bytes())})
    )
    assert open_encoder(kept, vectors=stores, device="cpu").reference.shape == (2, plain.width)
    pool.unlink() if data is None else pool.write_bytes(data)
    with pytest.raises(ModelError, match=r"reference.*adapt again"):
        open_encoder(kept, vectors=stores, device="cpu")


def test_a_base_that_is_gone_is_named(model_folder, stores, tmp_path):
    plain = open_encoder(str(model_folder), vectors=stores, device="cpu")
    kept = stored(tmp_path / "kept", adapter_for(plain, linear=True), str(model_folder))
    model_folder.rename(tmp_path / "moved")
    with pytest.raises(
        ModelError, match=re.escape(f"changes {model_folder}, which cannot be opened")
    ) as told:
        open_encoder(kept, vectors=stores, device="cpu")
    assert "Bring that model back" in str(told.value.hint)


def test_changes_that_fit_no_matrix_are_refused(stores, picture_folder, tmp_path):
    plain = open_encoder("aviary", vectors=stores, device="cpu")
    strange = LowRankAdapter(plain.last_layers, {"query": (torch.ones(1, 3), torch.ones(3, 1))}, (1.0,), 2.0)
    kept = stored(tmp_path / "kept", strange, "aviary")
    with pytest.raises(ModelError, match="do not fit"):
        open_encoder(kept, vectors=stores, device="cpu").encode_images(find_images(picture_folder).images)


def test_the_last_layers_of_a_linear_adapter_are_not_shown(stores, tmp_path):
    plain = open_encoder("aviary", vectors=stores, device="cpu")
    kept = stored(tmp_path / "kept", adapter_for(plain, linear=True), "aviary")
    with pytest.raises(ModelError, match="linear map"):
        _ = open_encoder(kept, vectors=stores, device="cpu").last_layers
