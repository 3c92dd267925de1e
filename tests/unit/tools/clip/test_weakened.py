"""An encoder that is weakened on purpose."""

from pathlib import Path

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.testing import HashingEncoder
from fieldmark.tools.clip.weakened import WeakenedEncoder, Weakness
from fieldmark.tools.images.files import ImageFile

IMAGES = [ImageFile(Path(f"{number}.png"), f"{number:064x}") for number in range(40)]
TEXTS = [f"a photo of a thing, which has part {number}" for number in range(40)]


class Unfiled(HashingEncoder):
    """Images are what their hashes say; there are no files."""

    def unreadable(self, image: ImageFile) -> str:
        return ""

    def image_vector(self, image: ImageFile) -> torch.Tensor:
        return self.direction(image.content_hash)


def weakened(**weakness: object) -> WeakenedEncoder:
    return WeakenedEncoder(Unfiled(), Weakness(**weakness))  # pyright: ignore[reportArgumentType]


def test_no_weakness_changes_no_bit() -> None:
    plain, same = Unfiled(), weakened()
    assert torch.equal(plain.encode_images(IMAGES).vectors, same.encode_images(IMAGES).vectors)
    assert torch.equal(plain.encode_texts(TEXTS), same.encode_texts(TEXTS))


def test_noise_is_the_same_whatever_is_encoded_along() -> None:
    noisy = weakened(image_noise=1.0, text_noise=0.5)
    assert torch.equal(noisy.encode_images(IMAGES).vectors[7:8], noisy.encode_images(IMAGES[7:8]).vectors)
    assert torch.equal(noisy.encode_texts(TEXTS)[3:4], noisy.encode_texts(TEXTS[3:4]))


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_noise_of_size_s_leaves_the_cosine_that_it_should(size: float) -> None:
    before = Unfiled().encode_images(IMAGES).vectors
    after = weakened(image_noise=size).encode_images(IMAGES).vectors
    assert torch.allclose(after.norm(dim=1), torch.ones(len(IMAGES)), atol=1e-5)
    assert float((before * after).sum(1).mean()) == pytest.approx(1 / (1 + size**2) ** 0.5, abs=0.06)


def test_a_blind_encoder_shows_nothing_of_what_sets_the_texts_apart() -> None:
    pair = (TEXTS[0], TEXTS[1])
    blind = weakened(blind=(pair,))
    first, second = blind.encode_texts(list(pair))
    cosines = blind.encode_images(IMAGES).vectors @ (first - second)
    assert float(cosines.abs().max()) < 1e-5
    assert float((Unfiled().encode_images(IMAGES).vectors @ (first - second)).abs().max()) > 1e-2


def test_each_weakness_is_another_encoder_to_the_caches() -> None:
    kinds = [weakened(), weakened(image_noise=1.0), weakened(text_noise=1.0), weakened(blind=(("a", "b"),))]
    assert len({encoder.identity for encoder in kinds}) == len(kinds)


def test_what_is_no_size_is_refused() -> None:
    for size in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="image_noise"):
            Weakness(image_noise=size)
    with pytest.raises(InputError, match="two texts"):
        weakened(blind=(("alone",),))
