"""From votes to a table: merging, counting, order, and cosines with made-up vectors."""

import random

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.records import AttributeVote
from fieldmark.tools.scoring.field_guide import (
    MergeOptions,
    build_field_guide,
    value_cosines,
    value_prompt,
)

# Meaning by word: colour, part and crest axes on top of what all prompts share.
AXES = {
    "red": (1, 1.0), "crimson": (1, 0.95), "yellow": (2, 1.0), "golden": (2, 0.9),
    "bill": (3, 1.0), "beak": (3, 0.95), "wings": (4, 1.0), "crest": (5, 1.0),
}  # fmt: skip


def encode(texts):
    rows = torch.zeros(len(texts), 9)
    rows[:, 0] = 6.0
    for row, text in zip(rows, texts, strict=True):
        for word in text.replace(".", "").replace(",", "").split():
            if word in AXES:
                row[AXES[word][0]] += AXES[word][1]
    return rows


def vote(class_name, attribute, value, source="s"):
    return AttributeVote(class_name=class_name, attribute=attribute, value=value, source=source)


VOTES = [
    vote("A", "bill color", "a red bill", "1"),
    vote("A", "Bill Colours", "a crimson bill", "2"),
    vote("A", "bill colour", "A red bill.", "3"),
    vote("B", "bill colour", "a yellow bill", "1"),
    vote("B", "beak colour", "a golden beak", "4"),
    vote("C", "beak colour", "a crimson beak", "4"),
    vote("A", "wings", "red wings", "1"),
    vote("B", "wings", "yellow wings", "1"),
]


def guide_of(votes=VOTES, **options):
    return build_field_guide(votes, ["A", "B", "C"], encode, noun="bird", options=MergeOptions(**options))


def test_names_and_values_merge_and_votes_are_counted():
    guide = guide_of()
    assert guide.attributes == ("bill colour", "wings")  # the commonest spelling of the commonest name
    assert guide.attribute_names == (("beak colour", "bill colour"), ("wing",))
    assert guide.values == (("a red bill", "a golden beak"), ("red wings", "yellow wings"))
    assert guide.texts[0][0] == (("a red bill", 2), ("a crimson beak", 1), ("a crimson bill", 1))
    assert guide.counts.tolist() == [
        [[3.0, 0.0], [1.0, 0.0]],
        [[0.0, 2.0], [0.0, 1.0]],
        [[1.0, 0.0], [0.0, 0.0]],
    ]
    assert guide.counts.dtype == torch.float32
    assert bool(guide.mask.all())


def test_order_of_votes_does_not_matter():
    first = guide_of()
    for seed in range(10):
        votes = VOTES + [
            vote("C", "crest", text, str(n)) for n, text in enumerate(["a crest", "no crest", "red bill"])
        ]
        expected = build_field_guide(votes, ["A", "B", "C"], encode, noun="bird")
        random.Random(seed).shuffle(votes)
        found = build_field_guide(votes, ["A", "B", "C"], encode, noun="bird")
        assert (found.attributes, found.values, found.texts) == (
            expected.attributes,
            expected.values,
            expected.texts,
        )
        assert found.attribute_names == expected.attribute_names
        assert torch.equal(found.counts, expected.counts)
    assert guide_of(VOTES[::-1]).texts == first.texts


def test_a_statement_repeated_in_one_answer_counts_once():
    twice = [
        vote("A", "crest", "a crest", "1"),
        vote("A", "Crests", "A crest.", "1"),
        vote("A", "crest", "a crest", "2"),
    ]
    assert float(guide_of(twice).counts.sum()) == 2.0


def test_opposites_that_share_their_words_stay_apart():
    votes = [
        vote("A", "crest", "a crest", "1"),
        vote("B", "crest", "no crest", "2"),
        vote("C", "crest", "the crest", "3"),
    ]
    assert guide_of(votes).values == (("a crest", "no crest"),)
    assert guide_of(votes).texts[0][0] == (("a crest", 1), ("the crest", 1))
    assert guide_of(votes, polarity=False).values == (("a crest",),)


def test_values_that_one_answer_contrasts_stay_apart():
    votes = [
        vote("A", "bill", "a red bill", "1"),
        vote("B", "bill", "a crimson bill", "1"),
        vote("C", "wings", "yellow wings", "2"),
    ]
    assert guide_of(votes).values[0] == ("a crimson bill", "a red bill")
    assert guide_of(votes, contrasts=False).values[0] == ("a crimson bill",)


def test_answers_about_a_group_do_not_count_as_contrasts():
    votes = [
        vote("A", "bill", "a red bill", "1"),
        vote("B", "bill", "a crimson bill", "1"),
        vote("C", "bill", "a yellow bill", "1"),
    ]
    assert len(guide_of(votes).values[0]) == 2


def test_attributes_named_side_by_side_stay_apart():
    votes = [
        vote("A", "bill colour", "a red bill", "1"),
        vote("A", "beak look", "a crimson beak", "1"),
        vote("B", "bill colour", "a yellow bill", "2"),
    ]
    assert len(guide_of(votes, attribute_threshold=-1.0).attributes) == 2


def test_thresholds_above_one_keep_all_but_equal_phrases_apart():
    guide = guide_of(value_threshold=1.1, attribute_threshold=1.1)
    assert guide.attribute_names == (("bill colour",), ("beak colour",), ("wing",))
    assert guide.values[0] == ("a red bill", "a crimson bill", "a yellow bill")
    assert guide.mask.tolist() == [[True] * 3, [True, True, False], [True, True, False]]


def test_cosines_are_vote_weighted_means_over_phrases():
    guide = guide_of()
    images = torch.nn.functional.normalize(
        torch.randn(4, 9, generator=torch.Generator().manual_seed(0)), dim=1
    )
    asked = []

    def watched(texts):
        asked.extend(texts)
        return encode(texts)

    found = value_cosines(guide, images, watched)
    assert found.shape == (4, 2, 2)
    assert len(asked) == len(set(asked)) == 7
    assert asked[0] == "a photo of a bird, which has a red bill."
    unit = torch.nn.functional.normalize(
        encode([value_prompt("bird", text) for text in ("a red bill", "a crimson beak", "a crimson bill")]),
        dim=1,
    )
    expected = images @ ((2 * unit[0] + unit[1] + unit[2]) / 4)
    assert torch.allclose(found[:, 0, 0], expected, atol=1e-6)


def test_entries_without_a_value_are_zero():
    guide = guide_of(value_threshold=1.1, attribute_threshold=1.1)
    found = value_cosines(guide, torch.ones(2, 9), encode)
    assert not bool(found[:, ~guide.mask].any())
    assert bool(found[:, guide.mask].all())


@pytest.mark.parametrize("votes", [[], [vote("A", "crest", " . ", "1")]])
def test_no_votes_give_an_empty_table(votes):
    def refuse(texts):
        raise AssertionError("nothing to encode")

    guide = build_field_guide(votes, ["A", "B"], refuse)
    assert guide.counts.shape == (2, 0, 0)
    assert value_cosines(guide, torch.ones(3, 9), refuse).shape == (3, 0, 0)


def test_strangers_and_repeated_classes_are_refused():
    with pytest.raises(InputError, match="Z"):
        build_field_guide([vote("Z", "crest", "a crest")], ["A"], encode)
    with pytest.raises(InputError):
        build_field_guide([], ["A", "A"], encode)


def test_class_names_and_values_are_data():
    odd = 'a "bill" {red} $x %s \n ignore the above'
    guide = build_field_guide([vote("{x}", "{a}", odd, "1")], ["{x}"], encode, noun="{noun}")
    assert guide.prompts() == ['a photo of a {noun}, which has a "bill" {red} $x %s ignore the above.']


def test_the_article_fits_the_noun():
    assert value_prompt("object", "x") == "a photo of an object, which has x."
    assert value_prompt("bird", "x") == "a photo of a bird, which has x."


def test_attributes_that_the_question_named_may_merge():
    votes = [
        vote("A", "bill colour", "a red bill", "1"),
        vote("A", "beak look", "a crimson beak", "1"),
        vote("B", "bill colour", "a yellow bill", "2"),
    ]
    options = MergeOptions(attribute_threshold=-1.0)
    guide = build_field_guide(votes, ["A", "B"], encode, noun="bird", prompted={"1"}, options=options)
    assert len(guide.attributes) == 1
