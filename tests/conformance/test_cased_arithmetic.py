"""CaSED: the words letter by letter, the traps by hand, the whole against loops over images."""

import math
import random

import numpy as np
import pytest
import torch

from fieldmark.evals.methods.cased import CasedOptions, cased
from fieldmark.tools.discovery.caption_words import caption_words, content_words
from fieldmark.tools.scoring import vectors as steps


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A red bird.", ["red", "bird"]),
        ("Two dogs, two cats", ["two", "dog", "two", "cat"]),
        ("a <unk> dog at http://a.example/dog.jpg now", ["dog", "now"]),
        ("dog.jpg IMG_2041-bird", ["dog", "img", "bird"]),
        ("photos of a picture, profile icons", []),
        ("a photographic dog", ["photographic", "dog"]),
        ("glass bus tennis berries tomatoes", ["glass", "bus", "tennis", "berries", "tomatoes"]),
        ("boxes benches leaves lenses", ["box", "bench", "leaf", "lens"]),
        ("ox, elk & ant", ["elk", "ant"]),
        ("x2y bird1", ["bird"]),
        ("the dog's bone", ["the", "dog", "bone"]),
        ("", []),
    ],
)
def test_words_of_a_caption(caption, words):
    assert caption_words(caption) == words


def test_the_plain_tagger_drops_function_words_alone():
    words = ["the", "with", "bird", "red", "flying", "and", "back"]
    assert content_words(words) == [False, False, True, True, True, False, True]


def plain_cased(images, encode, vectors, captions, scale, tagger, *, k=10, alpha=0.7):
    """One image after the other, as one reads the method."""
    images, vectors = images.double().numpy(), vectors.double().numpy()
    found = []
    for image in images:
        nearest = sorted(range(len(captions)), key=lambda c: -(image @ vectors[c]))[:k]
        group = {c: c for c in nearest}  # near-duplicates, in chains
        for _ in nearest:
            for a in nearest:
                for b in nearest:
                    if vectors[a] @ vectors[b] > 0.94:
                        first = min(group[a], group[b], key=nearest.index)
                        group[a] = group[b] = first
        kept = [c for c in nearest if group[c] == c]
        centroid = sum(vectors[c] for c in kept)
        centroid = centroid / math.sqrt(centroid @ centroid)
        words = [word for c in kept for word in caption_words(captions[c])]
        counts = {word: words.count(word) for word in words}
        least = min(2, max(counts.values(), default=0))
        own = [word for word in counts if counts[word] >= least and tagger([word])[0]] or ["object"]
        texts = encode(own).double().numpy()
        texts = texts / np.sqrt((texts**2).sum(axis=1, keepdims=True))
        parts = []
        for query in (image, centroid):
            odds = np.exp(scale * texts @ query)
            parts.append(odds / odds.sum())
        scores = alpha * parts[0] + (1 - alpha) * parts[1]
        found.append(dict(zip(own, scores.tolist(), strict=True)))
    return found


def made_up(encode, seed, *, captions=60, images=25):
    rng = random.Random(seed)
    nouns = ["owl", "finch", "gull", "hawk", "wren", "dogs", "boxes"]
    glue = ["the", "with", "and", "under"]
    texts = [
        " ".join(rng.choice([*nouns, *nouns, *glue, "photo", "red"]) for _ in range(rng.randint(0, 6)))
        for _ in range(captions)
    ]
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(captions, 16, generator=generator)
    for c in range(captions // 3):  # near-duplicates, some in chains
        vectors[c + 1] = vectors[c] + 0.2 * torch.randn(16, generator=generator)
    rows = torch.randn(images, 16, generator=generator)
    return (
        torch.nn.functional.normalize(rows, dim=1),
        torch.nn.functional.normalize(vectors, dim=1),
        texts,
    )


@pytest.mark.parametrize("block", [500, 1 << 24])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_plain_loops(monkeypatch, encode, seed, block):
    monkeypatch.setattr(steps, "STEP_ELEMENTS", block)
    images, vectors, captions = made_up(encode, seed)
    found = cased(images, encode, caption_vectors=vectors, captions=captions, logit_scale=8.0)
    expected = plain_cased(images, encode, vectors, captions, 8.0, content_words)
    assert found.scores.dtype == torch.float32
    for n, own in enumerate(expected):
        scores = found.words_of(n)
        assert set(scores) == set(own)
        assert scores == pytest.approx(own, abs=1e-5)
        assert list(scores.values()) == sorted(scores.values(), reverse=True)
        assert own[found.predicted[n]] == pytest.approx(max(own.values()), abs=1e-5)


def lookup(table):
    asked = []

    def encode(texts):
        asked.append(list(texts))
        return torch.tensor([table[text] for text in texts])

    return encode, asked


def name(vectors, texts, table, *, image=(1.0, 0.0, 0.0), scale=1.0, tagger=content_words, **options):
    encode, asked = lookup(table)
    found = cased(
        torch.tensor([list(image)]),
        encode,
        caption_vectors=torch.tensor(vectors),
        captions=texts,
        logit_scale=scale,
        tagger=tagger,
        options=CasedOptions(**options),
    )
    return found.words_of(0), asked


AXES = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_score_by_hand():
    """Image on the first axis, captions on the first two: the centroid lies between, at cosine √½."""
    found, _ = name(
        AXES[:2], ["owl and finch", "owl and finch"], {"owl": AXES[0], "finch": AXES[1]}, alpha=0.7
    )
    owl = 0.7 / (1 + math.exp(-1.0)) + 0.3 * 0.5
    assert found == pytest.approx({"owl": owl, "finch": 1 - owl}, abs=1e-6)


def test_the_centroid_is_of_captions_not_of_words():
    """Both words on the third axis would make a centroid there; the captions' is on the first."""
    table = {"owl": [0.6, 0.0, 0.8], "finch": [0.0, 0.6, 0.8]}
    found, _ = name(AXES[:1], ["owl finch"], table, alpha=0.0)
    assert found["owl"] == pytest.approx(1 / (1 + math.exp(-0.6)), abs=1e-6)


def test_near_duplicates_count_once_in_chains():
    """a ~ b ~ c at cosines .95, a and c at .8: b and c go, so that "gull" is said once and "owl" twice."""
    angle = math.acos(0.95)
    ring = [[math.cos(i * angle), math.sin(i * angle), 0.0] for i in range(3)]
    captions = ["owl", "gull", "gull", "owl"]
    found, _ = name([*ring, AXES[2]], captions, {"owl": AXES[0], "gull": AXES[1]})
    assert list(found) == ["owl"]


def test_words_are_counted_before_the_tagger_sees_them():
    """ "the" is frequent, so that "owl" and "gull" are not; nothing is left for the tagger but "object"."""
    found, _ = name(AXES, ["the owl", "the gull", "the"], {"object": AXES[0]})
    assert found == pytest.approx({"object": 1.0})


def test_where_no_word_is_frequent_the_most_frequent_stand_in():
    found, _ = name(AXES[:2], ["owl", "gull"], {"owl": AXES[0], "gull": AXES[1]})
    assert set(found) == {"owl", "gull"}


def test_captions_beyond_the_nearest_do_not_count():
    vectors = [[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]]
    found, _ = name(vectors, ["owl gull", "owl", "gull"], {"owl": AXES[0]}, captions=2)
    assert list(found) == ["owl"]


def test_each_distinct_word_is_encoded_once_in_the_template(encode):
    asked = []

    def counted(texts):
        asked.append(list(texts))
        return encode(texts)

    images, vectors, captions = made_up(encode, 3)
    found = cased(
        images,
        counted,
        caption_vectors=vectors,
        captions=captions,
        logit_scale=8.0,
        options=CasedOptions(template="a photo of a {}."),
    )
    assert len(asked) == 1
    assert asked[0] == [f"a photo of a {word}." for word in found.vocabulary]
    assert len(set(asked[0])) == len(asked[0])
    assert set(found.words.tolist()) == set(range(len(found.vocabulary)))
