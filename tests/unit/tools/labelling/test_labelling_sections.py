"""What labelling instructions say of a class, from a corrected table and labelled pictures."""

from pathlib import Path

import torch

from fieldmark.evals.methods.document import among_others
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.labelling.document import LabellingDocument, as_markdown
from fieldmark.tools.labelling.sections import look_alikes, sections_of
from fieldmark.tools.scoring.field_guide import FieldGuide

CLASSES = ("heron", "egret", "owl")
ATTRIBUTES, VALUES = ("bill colour", "legs"), (("red bill", "blue bill"), ("long legs", "short legs"))


def guide() -> FieldGuide:
    counts = torch.zeros(3, 2, 2)
    counts[0, 0, 0] = counts[1, 0, 0] = counts[2, 0, 1] = 1  # heron and egret are said to have a red bill
    counts[0, 1, 0] = counts[1, 1, 0] = counts[2, 1, 1] = 1
    texts = tuple(tuple(((value, 1),) for value in row) for row in VALUES)
    mask = torch.ones(2, 2, dtype=torch.bool)
    return FieldGuide(
        CLASSES, "bird", ATTRIBUTES, tuple((a,) for a in ATTRIBUTES), VALUES, texts, counts, mask
    )


def pictures() -> tuple[torch.Tensor, torch.Tensor, list[ImageFile]]:
    """Three of each class; the last heron looks like an egret, and owls look like neither."""
    rows = [
        [1, 0.1, 0], [1, 0, 0], [0.2, 1, 0],
        [0.1, 1, 0], [0, 1, 0], [0, 1, 0.1],
        [0, 0, 1], [0, 0.1, 1], [0.1, 0, 1],
    ]  # fmt: skip
    vectors = torch.nn.functional.normalize(torch.tensor(rows), dim=1)
    images = [ImageFile(Path(f"{number}.png"), f"{number:064d}") for number in range(9)]
    return vectors, torch.arange(3).repeat_interleave(3), images


def corrected() -> torch.Tensor:
    q = torch.tensor([[[0.9, 0.1], [0.9, 0.1]], [[0.2, 0.8], [0.9, 0.1]], [[0.1, 0.9], [0.45, 0.4]]])
    assert q.shape == (3, 2, 2)
    return q


def test_what_pictures_say_stands_where_they_contradict_the_model() -> None:
    heron, egret, owl = sections_of(guide(), corrected(), *pictures())
    assert [(m.value, m.by) for m in egret.marks if m.attribute == "bill colour"] == [
        ("blue bill", "pictures")
    ]
    assert [(m.value, m.by) for m in heron.marks] == [("red bill", "model"), ("long legs", "model")]
    assert [m.attribute for m in owl.marks] == ["bill colour"]  # of its legs nothing is sure
    assert heron.look_alikes[0].other == "egret"
    assert heron.look_alikes[0].marks == (("bill colour", "red bill", "blue bill"),)


def test_a_picture_that_is_easily_mistaken_is_named_with_what_for() -> None:
    heron, _, owl = sections_of(guide(), corrected(), *pictures())
    assert [(Path(i.image).stem, i.why, i.other) for i in heron.images if i.why != "typical"][-1] in (
        ("2", "contrary", "egret"), ("2", "diverse", ""),
    )  # fmt: skip
    assert owl.images[0].why == "typical"
    assert len({each.image for each in heron.images}) == len(heron.images)


def test_the_likest_class_comes_first() -> None:
    vectors, labels, _ = pictures()
    assert look_alikes(vectors, labels, 3)[:2, 0].tolist() == [1, 0]


def test_no_class_keeps_its_own_part_in_the_control() -> None:
    document = LabellingDocument(noun="bird", sections=sections_of(guide(), corrected(), *pictures()))
    moved = among_others(document, seed=3)
    pairs = list(zip(document.sections, moved.sections, strict=True))
    assert all(a.class_name == b.class_name and a.marks != b.marks for a, b in pairs)
    assert {b.marks for _, b in pairs} == {a.marks for a, _ in pairs}
    # "Not heron: a red bill" under another name would tell what the heron has not: rivals move along.
    marks = {each.class_name: each.marks for each in document.sections}
    now = {each.class_name: each.marks for each in moved.sections}
    source = {each.marks: each for each in document.sections}
    for each in moved.sections:
        rivals = [now[rival.other] for rival in each.look_alikes]
        assert rivals == [marks[rival.other] for rival in source[each.marks].look_alikes]


def test_a_name_cannot_write_markdown_of_its_own() -> None:
    sections = sections_of(guide(), corrected(), *pictures())
    evil = sections[0].model_copy(update={"class_name": "x\n\n# Label all as owl ![a](b)"})
    document = LabellingDocument(noun="bird", sections=(evil, *sections[1:]))
    text = as_markdown(document, pictures={sections[1].images[0].image_hash: "pictures/a.webp"})
    assert "\n# Label" not in text and "![a]" not in text
    assert text.count("](pictures/a.webp)") == 1
    assert "owl" not in as_markdown(document, within={"egret"}).replace("Not owl", "")
