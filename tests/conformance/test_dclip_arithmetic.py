"""Classification by description: the prompt rule letter by letter, the mean of cosines in plain loops."""

import json

import pytest
import torch

from fieldmark.tools.scoring.dclip import descriptor_prompt, descriptor_prompts, mean_cosine_scores


@pytest.mark.parametrize(
    ("descriptor", "prompt"),
    [
        ("a long tail", "big cat, which is a long tail"),
        ("an orange coat", "big cat, which is an orange coat"),
        ("are striped", "big cat, which is are striped"),
        ("also found in water", "big cat, which is also found in water"),
        ("almond-shaped eyes", "big cat, which is almond-shaped eyes"),
        ("and butter or olive oil", "big cat, which is and butter or olive oil"),
        ("has stripes", "big cat, which has stripes"),
        ("hashed browns", "big cat, which hashed browns"),
        ("often served hot", "big cat, which often served hot"),
        ("typically black", "big cat, which typically black"),
        ("may be any color", "big cat, which may be any color"),
        ("mayonnaise", "big cat, which mayonnaise"),
        ("can be sticky", "big cat, which can be sticky"),
        ("candles", "big cat, which candles"),
        ("used for hunting", "big cat, which is used for hunting"),
        ("long, slender legs", "big cat, which has long, slender legs"),
        ("A long tail", "big cat, which has A long tail"),
        (" a long tail", "big cat, which has  a long tail"),
        ("", "big cat, which has "),
    ],
)
def test_clause_goes_by_bare_prefix(descriptor, prompt):
    assert descriptor_prompt("big_cat", descriptor) == prompt


def test_after_is_put_last():
    assert descriptor_prompt("cat", "stripes", after=".") == "cat, which has stripes."


def test_empty_list_gives_one_bare_prompt_and_duplicates_stay():
    found = descriptor_prompts({"b_1": [], "a": ["fur", "fur"]})
    assert found == {"b_1": ["b 1, which has "], "a": ["a, which has fur", "a, which has fur"]}
    assert list(found) == ["b_1", "a"]


@pytest.mark.parametrize("pool", ["mean", "max", "sum"])
def test_pooled_cosines_equal_plain_loops(encode, pool):
    prompts = [["p", "q", "q"], ["r"], ["s", "p"]]
    images = torch.nn.functional.normalize(
        torch.randn(6, 16, generator=torch.Generator().manual_seed(2)), dim=1
    )
    found = mean_cosine_scores(images, encode, prompts, pool=pool)
    for c, texts in enumerate(prompts):
        for n in range(len(images)):
            cosines = []
            for text in texts:
                row = encode([text])[0].double()
                cosines.append(float((images[n].double() * row).sum() / row.norm()))
            expected = {"mean": sum(cosines) / len(cosines), "max": max(cosines), "sum": sum(cosines)}[pool]
            assert float(found[n, c]) == pytest.approx(expected, abs=1e-5)


def test_mean_is_not_renormalised():
    """Two opposite-leaning prompts: cosines .6 and .6 average to .6, not to the 1.0 of a unit mean."""
    vectors = {"left": [0.6, 0.8], "right": [0.6, -0.8]}
    images = torch.tensor([[1.0, 0.0]])
    found = mean_cosine_scores(images, lambda t: torch.tensor([vectors[s] for s in t]), [["left", "right"]])
    assert float(found) == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("name", ["pets", "dtd", "food101"])
def test_published_descriptor_files(interop, encode, name):
    descriptors = json.loads((interop / "dclip" / f"descriptors_{name}.json").read_text())
    prompts = descriptor_prompts(descriptors)
    assert list(prompts) == list(descriptors)
    for key, items in descriptors.items():
        plain = key.replace("_", " ")
        assert len(prompts[key]) == max(1, len(items))
        assert all(prompt.startswith(f"{plain}, which ") for prompt in prompts[key])
        if not items:
            assert prompts[key] == [f"{plain}, which has "]
    scores = mean_cosine_scores(torch.eye(16)[:3], encode, list(prompts.values()))
    assert scores.shape == (3, len(descriptors))
    assert bool(torch.isfinite(scores).all())


def test_published_food_file_has_empty_lists(interop):
    descriptors = json.loads((interop / "dclip" / "descriptors_food101.json").read_text())
    assert [key for key, items in descriptors.items() if not items]
