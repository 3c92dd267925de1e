"""An adapted encoder: its own identity and store, the base's texts, and files that belong to one encoder."""

import pytest
import torch
from safetensors.torch import save_file

from fieldmark.errors import InputError, ModelError, NoImagesError
from fieldmark.tools.clip.adapters.adapted import AdaptedEncoder
from fieldmark.tools.clip.adapters.files import load_adapter, save_adapter
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.images.files import find_images


@pytest.fixture
def base(tiny_folder, stores):
    return open_encoder(str(tiny_folder), vectors=stores, device="cpu", workers=2)


@pytest.fixture
def linear():
    return LinearAdapter(torch.randn(24, 24, generator=torch.Generator().manual_seed(0)) / 5)


@pytest.fixture
def low_rank(base):
    chance = torch.Generator().manual_seed(1)
    change = (torch.randn(2, 32, generator=chance), torch.randn(24, 2, generator=chance) / 5)
    return LowRankAdapter(base.last_layers, {"projection": change})


class OnlyVectors:
    """An encoder that shows nothing but vectors."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.width = encoder.width
        self.identity = encoder.identity
        self.name = encoder.name


def test_vectors_are_the_adapters_of_the_bases(base, linear, stores, picture_folder):
    images = find_images(picture_folder).images
    encoder = AdaptedEncoder(base, linear, vectors=stores)
    found = encoder.encode_images(images)
    assert found.ok.all()
    plain = base.encode_images(images).vectors
    torch.testing.assert_close(found.vectors, linear(plain), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(11), atol=1e-6, rtol=0)
    assert (found.vectors - plain).abs().max() > 0.05


def test_low_rank_vectors_are_those_of_a_network_with_changed_weights(base, low_rank, stores, picture_folder):
    images = find_images(picture_folder).images
    encoder = AdaptedEncoder(base, low_rank, vectors=stores)
    found = encoder.encode_images(images).vectors
    down, up = low_rank.changes["projection"]
    base._loaded()._model.visual.proj.data += (up @ down).T
    changed = open_encoder(base.name, vectors=type(stores)(), device="cpu")
    changed._network = base._loaded()
    torch.testing.assert_close(found, changed.encode_images(images).vectors, atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["linear", "low_rank"])
def test_adapters_never_share_an_identity_or_a_store(kind, base, stores, picture_folder, request):
    adapter = request.getfixturevalue(kind)
    images = find_images(picture_folder).images
    plain = base.encode_images(images).vectors
    encoder = AdaptedEncoder(base, adapter, vectors=stores)
    adapted = encoder.encode_images(images).vectors
    assert encoder.identity != base.identity
    assert torch.equal(base.encode_images(images).vectors, plain)
    assert len(stores.by_identity[encoder.identity]) == 11
    if isinstance(adapter, LinearAdapter):
        other = AdaptedEncoder(base, adapter.weakened(0.5), vectors=stores)
        assert other.identity not in (encoder.identity, base.identity)
        assert not torch.equal(other.encode_images(images).vectors, adapted)
    same = AdaptedEncoder(base, adapter, vectors=stores)
    assert same.identity == encoder.identity


@pytest.mark.parametrize("kind", ["linear", "low_rank"])
def test_a_row_does_not_depend_on_its_company_and_is_computed_once(
    kind, base, stores, picture_folder, request, monkeypatch
):
    encoder = AdaptedEncoder(base, request.getfixturevalue(kind), vectors=stores)
    images = find_images(picture_folder).images
    few = encoder.encode_images(images[3:5]).vectors
    whole = encoder.encode_images(images).vectors
    assert torch.equal(whole[3:5], few)
    assert base.usage.images_encoded == 11
    monkeypatch.setattr(base, "encode_images", lambda *_, **__: pytest.fail("asked again"))
    monkeypatch.setattr(base, "encode_features", lambda *_, **__: pytest.fail("asked again"))
    assert torch.equal(encoder.encode_images(images[::-1]).vectors, whole.flip(0))


def test_features_are_computed_once_for_all_adapters(base, low_rank, stores, picture_folder):
    images = find_images(picture_folder).images
    AdaptedEncoder(base, low_rank, vectors=stores).encode_images(images)
    down, up = low_rank.changes["projection"]
    other = LowRankAdapter(base.last_layers, {"projection": (down, up / 2)})
    AdaptedEncoder(base, other, vectors=stores).encode_images(images)
    assert base.usage.images_encoded == 11


def test_texts_are_the_bases(base, linear, stores):
    encoder = AdaptedEncoder(base, linear, vectors=stores)
    assert torch.equal(encoder.encode_texts(["a red bird"]), base.encode_texts(["a red bird"]))
    assert (encoder.width, encoder.context_length) == (24, 16)
    assert encoder.logit_scale == base.logit_scale
    assert encoder.name.startswith(base.name)
    assert encoder.reference is None


def test_broken_files_are_told_and_never_stored(base, linear, stores, picture_folder):
    (picture_folder / "05.png").write_bytes(b"\x89PNG no more")
    images = find_images(picture_folder).images
    (picture_folder / "04.png").unlink()
    encoder = AdaptedEncoder(base, linear, vectors=stores)
    found = encoder.encode_images(images)
    bad = [at for at, ok in enumerate(found.ok.tolist()) if not ok]
    assert 4 in bad
    assert not found.vectors[bad].any()
    assert len(encoder.failures) == len(bad)
    # All that is asked for and not stored is broken: nothing new is read, and nothing old is lost.
    assert torch.equal(encoder.encode_images(images).ok, found.ok)
    with pytest.raises(NoImagesError):
        encoder.encode_images([images[4]])


def test_reference_vectors_are_adapted(stores):
    aviary = open_encoder("aviary", vectors=stores, device="cpu")
    change = torch.randn(192, 192, generator=torch.Generator().manual_seed(0)) / 20
    encoder = AdaptedEncoder(aviary, LinearAdapter(change), vectors=stores)
    assert torch.equal(encoder.reference, LinearAdapter(change)(aviary.reference))


def test_adapters_that_cannot_belong_are_refused(base, low_rank, stores):
    with pytest.raises(ModelError):
        AdaptedEncoder(base, LinearAdapter(torch.zeros(5, 5)), vectors=stores)
    with pytest.raises(ModelError, match="linear"):
        AdaptedEncoder(OnlyVectors(base), low_rank, vectors=stores)


@pytest.mark.parametrize("kind", ["linear", "low_rank"])
def test_a_file_gives_the_same_adapter_again(kind, base, tmp_path, request):
    adapter = request.getfixturevalue(kind)
    path = tmp_path / "new" / "adapter.safetensors"
    save_adapter(path, adapter, base)
    again = load_adapter(path, base)
    assert type(again) is type(adapter)
    assert again.digest == adapter.digest


def test_a_file_of_another_encoder_is_refused(base, linear, tmp_path, stores, model_folder):
    path = tmp_path / "adapter.safetensors"
    save_adapter(path, linear, base)
    other = open_encoder(str(model_folder), vectors=stores, device="cpu", precision="bf16")
    with pytest.raises(ModelError, match="tuned for"):
        load_adapter(path, other)


@pytest.mark.parametrize(
    "tensors",
    [
        {"change": torch.zeros(5, 5)},
        {"change": torch.full((24, 24), torch.nan)},
        {"change": torch.zeros(24, 24).double()},
        {"other": torch.zeros(24, 24)},
    ],
)
def test_a_damaged_linear_file_is_refused(base, tmp_path, tensors):
    path = tmp_path / "adapter.safetensors"
    facts = {"format": "fieldmark.adapter/1", "kind": "linear", "identity": base.identity}
    save_file(tensors, path, metadata=facts)
    with pytest.raises(InputError, match="damaged"):
        load_adapter(path, base)


@pytest.mark.parametrize(
    "tensors",
    [
        {"projection.down": torch.zeros(2, 32)},
        {"projection.down": torch.zeros(2, 31), "projection.up": torch.zeros(24, 2)},
        {"projection.down": torch.zeros(2, 32), "projection.up": torch.zeros(24, 3)},
        {"output.down": torch.zeros(2, 32), "output.up": torch.zeros(24, 2)},
        {"projection.down": torch.zeros(2, 32), "projection.up": torch.zeros(24, 2), "x": torch.zeros(1)},
    ],
)
def test_a_damaged_low_rank_file_is_refused(base, tmp_path, tensors):
    path = tmp_path / "adapter.safetensors"
    facts = {"format": "fieldmark.adapter/1", "kind": "low-rank", "identity": base.identity}
    save_file(tensors, path, metadata=facts)
    with pytest.raises(InputError, match="damaged"):
        load_adapter(path, base)


def test_what_is_no_adapter_is_refused(base, tmp_path):
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(InputError):
        load_adapter(path, base)
    path.write_bytes(b"no such thing")
    with pytest.raises(InputError):
        load_adapter(path, base)
    save_file({"change": torch.zeros(24, 24)}, path)
    with pytest.raises(InputError, match="no adapter"):
        load_adapter(path, base)
