"""CaSED and its controls: which words an image may be given, and that no class name is looked at."""

from dataclasses import replace

import pytest

from fieldmark.evals.methods.cased import cased
from fieldmark.evals.methods.registry import BY_KEY
from fieldmark.tools.discovery.caption_words import caption_words, content_words
from fieldmark.tools.discovery.groups import find_groups
from fieldmark.tools.discovery.mentions import mentions_of
from fieldmark.tools.discovery.names import name_groups
from tests.graph.world import PARTS, FakeEncoder
from tests.unit.evals.methods.made_up_bench import TEST, WORLD, Benches, scored_by

ENCODER = FakeEncoder(WORLD)
KINDS = ("swimmer", "runner", "climber")
CAPTIONS = tuple(
    f"a {extra} {KINDS[number % 3]}, which has {WORLD.value(name, PARTS[number % 2])}"
    for number, name in enumerate(TEST.classes)
    for extra in ("tall", "shy", "young")
)
KEYS = ("cased", "caption-words", "random-word", "discover")


def names_by(key: str, make_bench: Benches, *, seed: int = 0) -> tuple[str, ...]:
    bench = make_bench(captions=CAPTIONS, pool=(), names_given=False, seed=seed, llm=None)
    scored = scored_by(key, bench)
    assert scored.scores is None
    assert len(scored.names) == len(TEST.images)
    return scored.names


@pytest.fixture(autouse=True)
def captions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bench with captions of pictures that are not at hand."""
    monkeypatch.setattr("fieldmark.evals.table.test_set.TestSet.__post_init__", lambda self: None)


def test_words_are_those_of_the_method(make_bench: Benches) -> None:
    found = cased(
        ENCODER.encode_images(TEST.images).vectors, ENCODER.encode_texts,
        caption_vectors=ENCODER.encode_texts(CAPTIONS), captions=CAPTIONS, logit_scale=20.0,
    )  # fmt: skip
    assert names_by("cased", make_bench) == tuple(found.predicted)
    assert len(set(found.predicted)) > 1


def test_the_control_takes_a_word_of_the_one_nearest_caption(make_bench: Benches) -> None:
    images, captions = ENCODER.encode_images(TEST.images).vectors, ENCODER.encode_texts(CAPTIONS)
    nearest = [CAPTIONS[row] for row in (images @ captions.T).argmax(dim=1).tolist()]
    for caption, image, found in zip(nearest, images, names_by("caption-words", make_bench), strict=True):
        words = sorted({word for word in caption_words(caption) if content_words([word])[0]})
        cosines = (ENCODER.encode_texts(words) @ image).tolist()
        # One caption is its own centroid: both shares speak, the image's with more weight.
        centroid = (ENCODER.encode_texts(words) @ ENCODER.encode_texts([caption])[0]).tolist()
        assert found in words
        best = [max(range(len(words)), key=own.__getitem__) for own in (cosines, centroid)]
        assert best[0] != best[1] or found == words[best[0]]


def test_a_random_word_is_any_that_cased_chooses_from(make_bench: Benches) -> None:
    found = cased(
        ENCODER.encode_images(TEST.images).vectors, ENCODER.encode_texts,
        caption_vectors=ENCODER.encode_texts(CAPTIONS), captions=CAPTIONS, logit_scale=20.0,
    )  # fmt: skip
    choices = [set(found.words_of(image)) for image in range(len(TEST.images))]
    drawn = [names_by("random-word", make_bench, seed=seed) for seed in range(30)]
    assert drawn[0] == names_by("random-word", make_bench, seed=0)
    for image, words in enumerate(choices):
        own = {names[image] for names in drawn}
        assert own <= words
        assert len(own) > len(words) // 2 > 0
    assert BY_KEY["random-word"].seeded


def test_groups_of_images_have_one_name_each(make_bench: Benches) -> None:
    bench = make_bench(captions=CAPTIONS, pool=(), names_given=False, llm=None)
    scored = scored_by("discover", bench)
    groups = find_groups(bench.vectors)
    wanted = name_groups(
        bench.vectors, groups, ENCODER.encode_texts, logit_scale=20.0,
        mentions=mentions_of(bench.vectors, groups, CAPTIONS, ENCODER.encode_texts(CAPTIONS)),
    )  # fmt: skip
    assert scored.diagnostics["groups"] == len(wanted) > 1
    for group in wanted:
        assert {scored.names[image] for image in group.images.tolist()} == {group.name}
    assert len(set(scored.names)) == len(wanted)


def test_no_class_name_is_looked_at(make_bench: Benches) -> None:
    other = tuple(f"class {number}" for number in range(6))
    renamed = tuple(replace(image, label=other[0]) for image in TEST.images)
    for key in KEYS:
        bench = make_bench(captions=CAPTIONS, pool=(), classes=other, images=renamed, train=(), llm=None)
        assert scored_by(key, bench).names == names_by(key, make_bench)
