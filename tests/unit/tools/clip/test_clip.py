"""The encoder: each distinct input once, ever; the same bits cold and warm; nothing built for nothing."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import fieldmark
from fieldmark.cache.vectorstore import MemoryVectorStore, open_vector_store
from fieldmark.errors import ModelError, NoImagesError
from fieldmark.tools.clip import network as clip_network
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.images.files import decode_image, find_images

AVIARY = Path(fieldmark.__file__).parent / "tools" / "weights" / "aviary" / "open_clip_model.safetensors"
LONG = "a photo of a very small bird with a crimson belly, a short bill, and a long forked tail in the reeds"


@pytest.fixture
def encoder(tiny_folder, stores):
    return open_encoder(str(tiny_folder), vectors=stores, device="cpu", workers=2)


@pytest.fixture
def never_built(monkeypatch):
    """From here on a test fails where a network is built."""

    def forbid():
        monkeypatch.setattr(
            clip_network.ClipNetwork, "__init__", lambda *_, **__: pytest.fail("network built")
        )

    return forbid


def test_what_is_known_without_building_the_network(tiny_folder, stores, never_built):
    never_built()
    encoder = open_encoder(str(tiny_folder), vectors=stores, device="cpu")
    assert (encoder.width, encoder.context_length, encoder.random_weights) == (24, 16, False)
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert encoder.name == str(tiny_folder)
    assert len(encoder.identity) == 64
    assert encoder.reference is None


def test_vectors_are_those_of_the_librarys_own_preprocessing_and_network(
    encoder, tiny_folder, picture_folder
):
    import open_clip

    found = find_images(picture_folder)
    encoded = encoder.encode_images(found.images)
    texts = ["a red bird", "a bird, which has a very long and forked tail", ""]
    vectors = encoder.encode_texts(texts)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tiny_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny_folder}")
    model.eval()
    with torch.inference_mode():
        expected = model.encode_image(
            torch.stack([preprocess(decode_image(each)) for each in found.images]), normalize=True
        )
        expected_texts = model.encode_text(tokenizer(texts), normalize=True)
    assert encoded.ok.all()
    assert encoded.vectors.dtype == vectors.dtype == torch.float32
    torch.testing.assert_close(encoded.vectors, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(vectors, expected_texts, atol=1e-3, rtol=0)
    torch.testing.assert_close(encoded.vectors.norm(dim=1), torch.ones(11), atol=1e-6, rtol=0)
    # The tolerance means something: different inputs lie much further apart.
    assert (vectors[0] - vectors[1]).abs().max() > 0.02
    assert (encoded.vectors[0] - encoded.vectors[1]).abs().max() > 0.005


def test_short_texts_are_computed_on_their_own_positions_only(encoder):
    network = encoder._loaded()
    # "!" before another sign is token 0, the number that also fills up a row.
    texts = ("bird", "a bird with a red belly and a long bill", "!§ !{| !© red")
    rows = [network.tokens.read(text).tokens for text in texts]
    assert network._short_texts
    assert (rows[2][: network.tokens.count(texts[2])] == 0).any()
    with torch.inference_mode():
        whole = network._model.encode_text(torch.stack(rows), normalize=True)
    torch.testing.assert_close(network.texts(rows), whole, atol=1e-5, rtol=0)
    for i in range(3):
        torch.testing.assert_close(network.texts(rows[i : i + 1]), whole[i : i + 1], atol=1e-5, rtol=0)


def test_cold_and_warm_agree_to_the_bit_and_a_warm_run_builds_nothing(
    tiny_folder, picture_folder, tmp_path, never_built
):
    images = find_images(picture_folder).images
    texts = ["a red bird", LONG, "a blue bird"]

    def run() -> tuple[torch.Tensor, torch.Tensor, object]:
        with open_vector_store(tmp_path / "vectors", width=24) as store:
            encoder = open_encoder(str(tiny_folder), vectors=lambda identity, width: store, device="cpu")
            return encoder.encode_images(images).vectors, encoder.encode_texts(texts), encoder.usage

    cold_images, cold_texts, cold = run()
    never_built()
    warm_images, warm_texts, warm = run()
    assert torch.equal(cold_images, warm_images)
    assert torch.equal(cold_texts, warm_texts)
    assert (cold.images_encoded, cold.texts_encoded) == (11, 3)
    assert (warm.images_encoded, warm.texts_encoded) == (0, 0)
    assert (warm.distinct_images, warm.distinct_texts) == (11, 3)
    assert cold.texts_too_long == warm.texts_too_long == 1
    assert cold.seconds > 0


def test_a_row_does_not_depend_on_what_it_was_asked_with(encoder, picture_folder):
    images = find_images(picture_folder).images
    whole = encoder.encode_images(images).vectors
    assert torch.equal(encoder.encode_images(images[3:5]).vectors, whole[3:5])
    assert torch.equal(encoder.encode_images(images[::-1]).vectors, whole.flip(0))


def test_each_distinct_input_is_encoded_once(encoder, picture_folder, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes((picture_folder / "00.png").read_bytes())
    images = find_images([picture_folder, copy]).images
    encoded = encoder.encode_images((*images, *images))
    assert encoder.usage.images_encoded == 11
    assert encoder.usage.distinct_images == 11
    assert torch.equal(encoded.vectors[0], encoded.vectors[11])
    assert torch.equal(encoded.vectors[:12], encoded.vectors[12:])
    vectors = encoder.encode_texts(["b", "a", "b"])
    encoder.encode_texts(["a"])
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.equal(vectors[0], vectors[1])
    assert (encoder.usage.texts_encoded, encoder.usage.distinct_texts) == (2, 2)


def test_nothing_asked_is_nothing_done(encoder, never_built):
    never_built()
    assert encoder.encode_texts([]).shape == (0, 24)
    encoded = encoder.encode_images([])
    assert encoded.vectors.shape == (0, 24)
    assert encoded.ok.shape == (0,)


def test_models_that_differ_only_in_preprocessing_share_no_vectors(
    tiny_folder, model_folder, stores, picture_folder
):
    config = model_folder / "open_clip_config.json"
    config.write_text(config.read_text().replace("bicubic", "bilinear"))
    first = open_encoder(str(tiny_folder), vectors=stores, device="cpu")
    second = open_encoder(str(model_folder), vectors=stores, device="cpu")
    assert first.identity != second.identity
    images = find_images(picture_folder).images
    a, b = (each.encode_images(images).vectors for each in (first, second))
    assert second.usage.images_encoded == 11
    assert len(stores.by_identity) == 2
    assert not torch.equal(a, b)


def test_precision_is_part_of_the_identity(tiny_folder, stores):
    full, half = (
        open_encoder(str(tiny_folder), vectors=stores, device="cpu", precision=each)
        for each in ("fp32", "bf16")
    )
    assert full.identity != half.identity
    a, b = full.encode_texts(["a red bird"]), half.encode_texts(["a red bird"])
    assert not torch.equal(a, b)
    assert float(a @ b.T) > 0.99


def test_long_texts_are_shortened_counted_and_warned_of_once(encoder, caplog):
    longer = LONG + " at dawn"
    with caplog.at_level(logging.WARNING, logger="fieldmark"):
        vectors = encoder.encode_texts([LONG, longer, "short"])
    assert encoder.usage.texts_too_long == 2
    (record,) = caplog.records
    assert "2 text(s) are longer than the 16 tokens" in record.getMessage()
    # What is left is the text that the rule keeps, and is encoded as any such text.
    kept = encoder._loaded().tokens.shorten(LONG)
    assert torch.equal(encoder.encode_texts([kept])[0], vectors[0])
    assert torch.equal(vectors[0], vectors[1])


def test_halves_of_surrogate_pairs_are_replaced(encoder):
    vectors = encoder.encode_texts(["a \ud800 bird", "a ? bird", "a 🦜 bird"])
    assert torch.isfinite(vectors).all()


def test_files_that_vanish_break_or_change_are_masked_and_reported(encoder, picture_folder, tmp_path):
    cut = picture_folder / "cut.jpg"
    Image.effect_noise((64, 64), 60).convert("RGB").save(cut)
    cut.write_bytes(cut.read_bytes()[:1500])
    images = find_images(picture_folder).images
    (picture_folder / "03.png").unlink()
    Image.new("RGB", (9, 9)).save(picture_folder / "05.png")
    encoded = encoder.encode_images(images)
    bad = {each.path.name for each, ok in zip(images, encoded.ok, strict=True) if not ok}
    assert bad == {"03.png", "05.png", "cut.jpg"}
    told = {Path(each.path).name: each.reason for each in encoder.failures}
    assert told["03.png"] == "vanished since it was found"
    assert told["05.png"] == "changed since it was found"
    assert "truncated" in told["cut.jpg"]
    assert (encoded.vectors[~encoded.ok] == 0).all()
    assert encoder.usage.images_encoded == 9
    with pytest.raises(NoImagesError, match=r"03\.png: vanished"):
        encoder.encode_images([each for each in images if each.path.name in bad])


def test_a_copy_stands_in_for_a_file_that_vanished(encoder, tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    images = find_images([tmp_path / "a.png", tmp_path / "b.png"]).images
    (tmp_path / "a.png").unlink()
    assert encoder.encode_images(images).ok.all()
    assert encoder.failures == ()


def test_what_was_encoded_before_a_failure_is_kept(tiny_folder, stores, picture_folder, monkeypatch):
    images = find_images(picture_folder).images
    encoder = open_encoder(str(tiny_folder), vectors=stores, device="cpu", batch_size=2)
    network = encoder._loaded()
    real, calls = network.images, []

    def images_then_crash(batch):
        calls.append(len(batch))
        if len(calls) == 4:
            raise RuntimeError("power cut")
        return real(batch)

    monkeypatch.setattr(network, "images", images_then_crash)
    with pytest.raises(RuntimeError, match="power cut"):
        encoder.encode_images(images)
    again = open_encoder(str(tiny_folder), vectors=stores, device="cpu")
    again.encode_images(images)
    # Three batches went through; the third was still waiting to be stored.
    assert again.usage.images_encoded == 11 - 4


def test_memory_that_runs_out_halves_the_batches_and_loses_nothing(
    tiny_folder, stores, picture_folder, monkeypatch
):
    images = find_images(picture_folder).images
    expected = open_encoder(str(tiny_folder), vectors=stores, device="cpu").encode_images(images).vectors
    stores.by_identity.clear()
    encoder = open_encoder(str(tiny_folder), vectors=stores, device="cpu")
    network = encoder._loaded()
    real, sizes = network.images, []

    def small_device(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(batch)

    monkeypatch.setattr(network, "images", small_device)
    torch.testing.assert_close(encoder.encode_images(images).vectors, expected, atol=1e-3, rtol=0)
    assert sizes == [11, 5, 2, 2, 2, 2, 2, 1]


def test_vectors_that_are_not_finite_are_never_stored(encoder, stores, monkeypatch):
    network = encoder._loaded()
    monkeypatch.setattr(network, "texts", lambda tokens: torch.full((len(tokens), 24), float("nan")))
    with pytest.raises(ModelError, match=r"not finite.*FIELDMARK_DEVICE=cpu"):
        encoder.encode_texts(["a"])
    assert len(stores.by_identity[encoder.identity]) == 0


def test_progress_is_told(encoder, picture_folder):
    told: list[tuple[int, int]] = []
    encoder.encode_images(
        find_images(picture_folder).images, progress=lambda done, of: told.append((done, of))
    )
    assert told[-1] == (11, 11)


def test_a_reference_pool_in_the_folder(model_folder, stores):
    from safetensors.torch import save_file

    rows = torch.randn(7, 24)
    save_file({"image_vectors": rows.half()}, model_folder / "reference.safetensors")
    reference = open_encoder(str(model_folder), vectors=stores, device="cpu").reference
    assert reference.shape == (7, 24)
    torch.testing.assert_close(reference.norm(dim=1), torch.ones(7))
    for spoiled in ({"image_vectors": torch.zeros(3, 23)}, {"vectors": torch.zeros(3, 24)}):
        save_file(spoiled, model_folder / "reference.safetensors")
        with pytest.raises(ModelError, match="reference"):
            _ = open_encoder(str(model_folder), vectors=stores, device="cpu").reference


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:99"}, "no device"),
        ({"device": "abacus"}, "no device"),
        ({"precision": "int3"}, "no precision"),
        ({"batch_size": 0}, "batch size"),
        ({"workers": -1}, "workers"),
    ],
)
def test_options_that_cannot_be(tiny_folder, stores, options, message):
    with pytest.raises(ModelError, match=message) as raised:
        open_encoder(str(tiny_folder), vectors=stores, **options)
    assert raised.value.hint


def test_a_store_of_another_width_is_refused(tiny_folder):
    encoder = open_encoder(str(tiny_folder), vectors=lambda *_: MemoryVectorStore(width=5), device="cpu")
    with pytest.raises(ModelError, match="rows of 5"):
        encoder.encode_texts(["a"])


@pytest.mark.skipif(not AVIARY.is_file(), reason="the bundled aviary model is not there")
def test_the_bundled_model_and_a_warm_run_without_open_clip(stores, picture_folder, monkeypatch):
    images = find_images(picture_folder).images
    texts = ["a photo of a bird, which has a crimson belly", "a photo of a bird"]
    cold = open_encoder("aviary", vectors=stores, device="cpu")
    encoded, vectors = cold.encode_images(images), cold.encode_texts(texts)
    assert encoded.ok.all()
    assert encoded.vectors.shape[1] == vectors.shape[1] == cold.width
    assert not cold.random_weights
    assert cold.logit_scale > 1
    # Importing it takes seconds, which a run that finds everything stored must not pay for.
    monkeypatch.setitem(sys.modules, "open_clip", None)
    monkeypatch.delitem(sys.modules, "fieldmark.tools.clip.network")
    warm = open_encoder("aviary", vectors=stores, device="cpu")
    assert torch.equal(warm.encode_images(images).vectors, encoded.vectors)
    assert torch.equal(warm.encode_texts(texts), vectors)
    with pytest.raises(ImportError):
        warm.encode_texts(["a text that is not stored"])
