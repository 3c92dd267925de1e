"""Which class to label next: by a tree, by class texts, and from what has labels."""

import pytest
from PIL import Image

from fieldmark import next_classes
from fieldmark.errors import InputError
from fieldmark.testing import HashingEncoder

NAMES = ["wren", "robin", "heron", "egret"]
TREE = "child,parent\nwren,small\nrobin,small\nheron,tall\negret,tall\nsmall,bird\ntall,bird\n"


def test_a_tree_leads_to_the_other_family_first(tmp_path):
    (tmp_path / "tree.csv").write_text(TREE)
    found = next_classes(NAMES, ["wren"], tree=tmp_path / "tree.csv", count=3)
    assert [(each.class_name, each.nearest, each.distance) for each in found] == [
        ("heron", "wren", 4.0),
        ("robin", "wren", 2.0),
        ("egret", "heron", 2.0),
    ]


def test_labelled_pictures_say_what_has_labels_and_texts_how_far_the_rest_is(tmp_path):
    for name in NAMES[:3]:
        (tmp_path / "labelled" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(tmp_path / "labelled" / name / "a.png")
    (found,) = next_classes(NAMES, tmp_path / "labelled", clip=HashingEncoder(), home=tmp_path)
    assert found.class_name == "egret"
    assert found.distance > 0


@pytest.mark.parametrize(
    ("labelled", "count", "says"),
    [(["crow"], 1, "'crow' is none"), ([], 1, "No class"), (["wren"], 0, "cannot be named")],
)
def test_what_cannot_be_chosen_from_is_told(labelled, count, says):
    with pytest.raises(InputError, match=says):
        next_classes(NAMES, labelled, count=count)
