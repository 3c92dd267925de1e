"""The last layers as plain tensors are those of the network, untouched and changed."""

import pytest
import torch

from fieldmark.errors import ModelError
from fieldmark.tools.clip.clip import open_encoder
from fieldmark.tools.clip.last_layers import read_last_layers, without_last_layers
from fieldmark.tools.images.files import find_images


@pytest.fixture(params=["tiny", "aviary"])
def encoder(request, tiny_folder, stores):
    """A transformer that ends in a projection, and a ResNet that ends in an attention pool."""
    spec = str(tiny_folder) if request.param == "tiny" else "aviary"
    return open_encoder(spec, vectors=stores, device="cpu", workers=2)


def test_features_through_the_last_layers_are_the_encoders_vectors(encoder, picture_folder):
    images = find_images(picture_folder).images
    found = encoder.encode_features(images)
    assert found.rows.dtype == torch.float16
    assert found.rows.shape[1:] == encoder.last_layers.shape
    assert found.ok.all()
    layers = encoder.last_layers
    made = torch.nn.functional.normalize(layers.finish(layers.begin(found.rows), {}), dim=1)
    torch.testing.assert_close(made, encoder.encode_images(images).vectors, atol=2e-3, rtol=0)


def test_changes_are_those_of_a_network_with_changed_weights(encoder):
    visual = encoder._loaded()._model.visual
    layers = read_last_layers(visual)
    size = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randn(5, 3, size, size, generator=chance)
    changes = {
        name: (torch.randn(2, inside, generator=chance) / 9, torch.randn(out, 2, generator=chance) / 9)
        for name, (out, inside) in layers.sizes.items()
    }
    with torch.inference_mode():
        features = without_last_layers(visual)(pixels)
        plain = layers.finish(layers.begin(features), {})
        made = layers.finish(layers.begin(features), changes)
        torch.testing.assert_close(plain, visual(pixels), atol=1e-4, rtol=1e-4)
    parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "c_proj"}
    for name, (down, up) in changes.items():
        if name == "projection":
            visual.proj.data += (up @ down).T
        else:
            getattr(visual.attnpool, parts[name]).weight.data += up @ down
    with torch.inference_mode():
        torch.testing.assert_close(made, visual(pixels), atol=1e-4, rtol=1e-4)
    assert (made - plain).abs().max() > 0.01


def test_looking_before_the_last_layers_leaves_the_network_whole(encoder, picture_folder):
    images = find_images(picture_folder).images
    before = encoder._loaded()._model.state_dict().keys()
    encoder.encode_features(images)
    assert encoder._loaded()._model.state_dict().keys() == before
    encoder.encode_images(images)


def test_features_are_computed_once_and_kept_apart_from_vectors(encoder, picture_folder, stores):
    images = find_images(picture_folder).images
    first = encoder.encode_features(images)
    assert encoder.usage.images_encoded == 11
    assert torch.equal(encoder.encode_features(images[::-1]).rows, first.rows.flip(0))
    assert encoder.usage.images_encoded == 11
    encoder.encode_images(images)
    assert encoder.usage.images_encoded == 22
    assert len(stores.by_identity) == 2


def test_a_tower_that_ends_otherwise_is_refused():
    for look in (read_last_layers, without_last_layers):
        with pytest.raises(ModelError, match="linear"):
            look(torch.nn.Linear(2, 2))
