from pathlib import Path

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.records import Family
from fieldmark.tools.datasets.class_tree import ROOT, class_tree, read_parents, rooted, tree_of_families

CLASSES = ("grey heron", "purple heron", "wren", "goldfinch")
PARENTS = {
    "grey heron": "heron",
    "purple heron": "heron",
    "heron": "waterbird",
    "waterbird": "bird",
    "wren": "songbird",
    "goldfinch": "songbird",
    "songbird": "bird",
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "child,parent\ngrey heron,heron\n  wren ,songbird\nheron,bird\nsongbird,bird\nbird,\n"),
        ("t.tsv", "Child\tParent\ngrey  heron\theron\nwren\tsongbird\nheron\tbird\nsongbird\tbird\n"),
        (
            "t.csv",
            "sep=;\nparent;child;note\nheron;grey heron;x\nsongbird;wren;\nbird;heron;\nbird;songbird;",
        ),
        ("t.json", '{"grey heron": "heron", "wren": "songbird", "heron": "bird", "songbird": "bird"}'),
    ],
)
def test_rows_of_child_and_parent_are_read(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_parents(tmp_path / name) == {
        "grey heron": "heron", "wren": "songbird", "heron": "bird", "songbird": "bird",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no rows of child and parent"),
        ("child,parent\n", "no rows of child and parent"),
        ("wren,bird\nowl,bird\n", "no rows of child and parent"),
        ("child,parent\nwren,bird\nwren,songbird\n", "'wren' occurs twice"),
        ("child,parent\nwren,bird\n ,songbird\n", "a row without a child"),
    ],
)
def test_files_that_are_no_tree_are_refused(tmp_path: Path, text: str, says: str):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_parents(tmp_path / "t.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_parents(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"bird": "heron"}, "goes in a circle: .*'heron'"),
        ({"stork": "stork"}, "goes in a circle: 'stork' → 'stork'"),
        ({"wren": None}, "lacks 'wren' of 4 classes"),
        ({"wren": None, "goldfinch": None, "songbird": None}, "lacks 'wren' and 1 more"),
        ({"egg": "wren"}, "'wren' is a class and has others below"),
        ({"stork": "waterbird"}, "ends in 'stork', which is no class"),
        ({"owl": "raptor", "raptor": "bird", "kite": "raptor"}, "ends in 'owl' and 1 more, which are no"),
    ],
)
def test_faults_of_a_tree_each_have_a_sentence(changed: dict[str, str | None], says: str):
    parents = {child: parent for child, parent in (PARENTS | changed).items() if parent is not None}
    with pytest.raises(InputError, match=says) as caught:
        class_tree(parents, CLASSES)
    assert caught.value.field == "tree"
    assert caught.value.hint


def test_a_class_in_another_spelling_is_named_in_the_hint():
    parents = {("Wren" if child == "wren" else child): parent for child, parent in PARENTS.items()}
    with pytest.raises(InputError, match="lacks 'wren'") as caught:
        class_tree(parents, CLASSES)
    assert "'Wren'" in caught.value.hint


def test_spellings_are_folded_and_may_not_clash():
    spaced = {f" {child.replace(' ', '  ')} ": f"{parent} " for child, parent in PARENTS.items()}
    assert class_tree(spaced, CLASSES).parents == PARENTS
    with pytest.raises(InputError, match="two spellings"):
        class_tree(PARENTS | {" wren": "songbird"}, CLASSES)


def test_branches_leave_some_class_out_the_smallest_and_lowest_first():
    tree = class_tree(PARENTS, CLASSES)
    assert tree.line("grey heron") == ("heron", "waterbird", "bird")
    assert tree.branches() == {"heron": (0, 1), "waterbird": (0, 1), "songbird": (2, 3)}
    assert tree.membership().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert tree.membership().dtype == torch.float32


def test_several_roots_are_joined_and_joining_twice_is_joining_once():
    forest = {child: parent for child, parent in PARENTS.items() if parent != "bird"}
    tree = class_tree(forest, CLASSES)
    assert tree.line("wren") == ("songbird", ROOT)
    assert rooted(dict(tree.parents)) == tree.parents
    assert class_tree(tree.parents, CLASSES) == tree


def test_a_deep_tree_is_no_matter_of_recursion():
    chain = {f"level {n}": f"level {n + 1}" for n in range(3000)}
    tree = class_tree(chain | {"wren": "level 0", "owl": "level 3000"}, ("wren", "owl"))
    assert len(tree.line("wren")) == 3001
    assert next(iter(tree.branches())) == "level 0"


def test_families_become_a_tree_of_depth_two():
    stated = [
        Family(name="heron", classes=("grey heron",)),
        Family(name="Wren", classes=("wren", "goldfinch")),
        Family(name="Heron", classes=("purple heron",)),
    ]
    tree = tree_of_families(stated, CLASSES, root="wren")
    assert tree.branches() == {"heron": (0, 1), "Wren (group)": (2, 3)}
    assert tree.line("wren") == ("Wren (group)", "wren (all)")


@pytest.mark.parametrize("stated", [[], [CLASSES], [CLASSES[:1], CLASSES[1:2], CLASSES[2:3], CLASSES[3:]]])
def test_families_that_say_nothing_are_no_tree(stated: list[tuple[str, ...]]):
    families = [Family(name=f"kind {n}", classes=classes) for n, classes in enumerate(stated)]
    with pytest.raises(InputError, match="No group holds some"):
        tree_of_families(families, CLASSES, root="bird")


def test_a_class_of_no_family_lies_below_the_root():
    tree = tree_of_families([Family(name="heron", classes=CLASSES[:2])], CLASSES, root="bird")
    assert tree.line("wren") == ("bird",)
    assert tree.branches() == {"heron": (0, 1)}
