"""CaSED: refusals, empty pools, taggers, and determinism."""

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.evals.methods.cased import FALLBACK, CasedOptions, cased


def encode(texts):
    rows = [torch.randn(4, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in texts]
    return torch.stack(rows)


def name(images, vectors, captions, **more):
    return cased(images, encode, caption_vectors=vectors, captions=captions, logit_scale=10.0, **more)


@pytest.mark.parametrize(
    ("vectors", "captions"),
    [(torch.empty(0, 4), []), (torch.eye(4), ["one"]), (torch.eye(3), ["one", "two", "three"])],
)
def test_captions_that_do_not_fit_are_refused(vectors, captions):
    with pytest.raises(InputError) as caught:
        name(torch.eye(4), vectors, captions)
    assert caught.value.hint


def test_a_tagger_must_answer_for_every_word():
    with pytest.raises(InputError):
        name(torch.eye(4), torch.eye(4), ["an owl"] * 4, tagger=lambda words: [True])


@pytest.mark.parametrize("wrong", [{"captions": 0}, {"alpha": 1.1}, {"template": "a photo"}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(InputError):
        CasedOptions(**wrong)


def test_no_images():
    found = name(torch.empty(0, 4), torch.eye(4), ["an owl"] * 4)
    assert found.predicted == []
    assert found.vocabulary == ()
    assert found.starts.tolist() == [0]


def test_captions_without_words_leave_the_fallback():
    found = name(torch.eye(4), torch.eye(4), ["", "...", "a photo", "12"])
    assert found.predicted == [FALLBACK] * 4
    assert found.scores.tolist() == pytest.approx([1.0] * 4)


def test_a_tagger_decides_what_may_name():
    captions = ["red owl", "red owl", "red owl", "red owl"]
    found = name(torch.eye(4), torch.eye(4), captions, tagger=lambda words: [word != "red" for word in words])
    assert found.vocabulary == ("owl",)


def test_half_precision_captions_and_the_same_answer_twice():
    captions = ["owl and gull", "owl and finch", "a gull", "a finch"]
    first = name(torch.eye(4).half(), torch.eye(4).half(), captions)
    second = name(torch.eye(4), torch.eye(4), captions)
    assert first.vocabulary == second.vocabulary
    assert torch.equal(first.scores, second.scores)
    assert first.scores.dtype == torch.float32


def test_braces_in_a_template_are_no_format_string():
    asked = []

    def listening(texts):
        asked.extend(texts)
        return encode(texts)

    cased(
        torch.eye(4)[:1],
        listening,
        caption_vectors=torch.eye(4),
        captions=["owl"] * 4,
        logit_scale=1.0,
        options=CasedOptions(template="{name} {}"),
    )
    assert asked == ["{name} owl"]
