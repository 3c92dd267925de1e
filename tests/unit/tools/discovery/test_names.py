"""Names of groups: phrases of captions, a model's answers, the check on the images, groups of one name."""

from collections.abc import Sequence

import torch

from fieldmark.testing import HashingEncoder
from fieldmark.tools.discovery.caption_words import caption_phrases
from fieldmark.tools.discovery.groups import ImageGroups
from fieldmark.tools.discovery.mentions import mentions_of
from fieldmark.tools.discovery.names import GroupName, _Apart, name_groups
from fieldmark.tools.scoring.vectors import encode_unit, unit
from fieldmark.tools.statistics.agreement import auroc

ENCODER = HashingEncoder(width=128)


def images_of(shown: Sequence[str], each: int = 8) -> torch.Tensor:
    """Vectors of images that show what the words say, and something of their own."""
    rows = [
        ENCODER.text_vector(f"a photo of a {words}") + 0.5 * ENCODER.direction(f"{words} {copy}")
        for words in shown
        for copy in range(each)
    ]
    return unit(torch.stack(rows))


def grouped(sizes: Sequence[int], *, alone: int = 0) -> ImageGroups:
    number = [group for group, size in enumerate(sizes) for _ in range(size)] + [-1] * alone
    rows = torch.tensor(number)
    return ImageGroups(rows, tuple((rows == group).nonzero()[:, 0] for group in range(len(sizes))))


def named(shown: Sequence[str], captions: Sequence[str] = (), **more: object) -> tuple[GroupName, ...]:
    vectors, groups = images_of(shown), grouped([8] * len(shown))
    said = encode_unit(list(captions), ENCODER.encode_texts) if captions else None
    mentions = None if said is None else mentions_of(vectors, groups, captions, said)
    return name_groups(
        vectors,
        groups,
        ENCODER.encode_texts,
        logit_scale=20.0,
        mentions=mentions,
        **more,  # pyright: ignore[reportArgumentType]
    )


def test_phrases_end_where_a_noun_phrase_does() -> None:
    assert caption_phrases("A photo of a large crested heron, in the deep snow.") == [
        "heron", "crested heron", "large crested heron", "snow", "deep snow",
    ]  # fmt: skip
    assert caption_phrases("<PERSON> and https://a.b/c") == []


def test_groups_get_the_names_of_several_words_that_captions_give_them() -> None:
    captions = [
        f"a photo of a {name} {where}"
        for name in ("grey heron", "red finch", "blue gull")
        for where in ("on a lake", "in a tree", "near the sea")
    ]
    found = named(["grey heron", "red finch", "blue gull"], captions)
    assert [each.name for each in found] == ["grey heron", "red finch", "blue gull"]
    assert all(each.sure and not each.asked for each in found)
    assert all(0 < each.similarity < 1 for each in found)


def test_a_name_that_does_not_fit_its_images_is_unsure() -> None:
    asked = {0: ("grey heron",), 1: ("purple lorry", "red finch")}
    heron, other = named(["grey heron", "red finch"], asked=asked)
    assert (heron.name, heron.sure, heron.asked) == ("grey heron", True, True)
    assert (other.name, other.sure) == ("red finch", True)  # the encoder prefers the second answer
    wrong = named(["grey heron", "red finch"], asked={0: ("grey heron",), 1: ("purple lorry",)})[1]
    assert (wrong.name, wrong.sure) == ("purple lorry", False)


def test_no_name_is_given_twice_or_to_a_listed_class() -> None:
    asked = {0: ("heron",), 1: ("heron", "finch")}
    assert [each.name for each in named(["grey heron", "red finch"], asked=asked)] == ["heron", "finch"]
    barred = named(["grey heron", "red finch"], asked=asked, taken=["Finch", "Heron"])
    assert [each.name for each in barred] == ["", ""]


def test_two_groups_of_one_name_are_one_where_it_sets_them_apart() -> None:
    asked = {0: ("red finch",), 1: ("small red finch", "red finch"), 2: ("grey heron",)}
    found = named(["red finch", "red finch", "grey heron"], asked=asked)
    assert [(each.name, each.groups, len(each.images)) for each in found] == [
        ("red finch", (0, 1), 16), ("grey heron", (2,), 8),
    ]  # fmt: skip
    apart = named(["red finch", "red finch", "grey heron"], asked=asked, join=False)
    assert len({each.name for each in apart}) == 3
    # "bird" fits all of them, and so joins none
    vague = {0: ("bird", "red finch"), 1: ("bird", "blue gull"), 2: ("bird", "grey heron")}
    assert len(named(["red finch bird", "blue gull bird", "grey heron bird"], asked=vague)) == 3


def test_groups_that_another_name_sets_apart_stay_two() -> None:
    # both are best called "finch", which no third group is; each has a name of its own that is as good
    captions = [
        f"a {name} {at}"
        for name in ("red finch", "blue finch", "grey heron")
        for at in ("here", "on a lake", "in a tree")
    ]
    found = named(["red finch", "blue finch", "grey heron"], captions)
    assert sorted(each.name for each in found) == ["blue finch", "grey heron", "red finch"]


def test_a_word_that_adds_nothing_leaves_a_name_unsure() -> None:
    asked = {0: ("vryx finch",), 1: ("grey heron",)}
    finch, heron = named(["finch", "grey heron"], asked=asked)
    assert (finch.name, finch.sureness > 0.9, finch.gain < 0, finch.sure) == ("vryx finch", True, True, False)
    assert heron.gain > 0
    assert heron.sure
    assert named(["finch", "grey heron"], asked={0: ("finch",), 1: ("heron",)})[0].sure  # one word is enough


def test_images_of_no_group_are_compared_with() -> None:
    vectors = images_of(["red finch", "red finch", "grey heron"])
    groups = grouped([8], alone=16)
    (found,) = name_groups(vectors, groups, ENCODER.encode_texts, logit_scale=20.0, asked={0: ("red finch",)})
    assert not found.sure  # as many images beside it show one
    mentions = mentions_of(
        vectors, groups, ["a red finch"], encode_unit(["a red finch"], ENCODER.encode_texts)
    )
    assert mentions.share.shape[0] == 1


def test_nothing_said_leaves_groups_without_a_name() -> None:
    assert [(each.name, each.sure) for each in named(["red finch", "grey heron"])] == [("", False)] * 2


def test_ranks_of_groups_add_up_to_how_often_an_image_fits_better() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors, texts = (unit(torch.randn(rows, 8, generator=generator)) for rows in (40, 2))
    vectors[7] = vectors[30]  # a tie
    groups = ImageGroups(torch.arange(40) // 10, tuple(torch.arange(at, at + 10) for at in range(0, 40, 10)))
    apart = _Apart(vectors, texts, groups)
    inside = (torch.arange(40) < 20).numpy().astype(float)
    cosines = (vectors @ texts[1]).numpy().astype(float)
    whole = auroc(inside, cosines, torch.ones(1, 40).numpy())[0]
    assert abs(apart.from_all(1, (0, 1)) - whole) < 1e-9
    part = auroc(inside[10:30], cosines[10:30], torch.ones(1, 20).numpy())[0]
    assert abs(apart.from_group(1, (1,), (2,)) - part) < 1e-9
    assert apart.from_all(0, (0, 1, 2, 3)) == 0.0
