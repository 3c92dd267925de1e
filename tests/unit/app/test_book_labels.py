"""Which labelled images of a prompt book a run can use, and as what."""

from pathlib import Path

import pytest

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.book_labels import BookLabels, book_labels
from fieldmark.records import GivenLabel, Origin, Prompt, PromptBook
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.scoring.evidence.judges import FEWEST_JUDGES

OPTIONS = ResolveOptions(start="book")


def book(*images: tuple[Path, str]) -> PromptBook:
    return PromptBook(
        classes=("crow", "wren"),
        prompts=tuple(
            Prompt(class_name=name, text=name, origin=Origin(kind="name")) for name in ("crow", "wren")
        ),
        labelled=tuple(
            GivenLabel(image=str(path), image_hash=path.stem, answer="class", label=label)
            for path, label in images
        ),
    )


def test_images_of_the_pool_are_labels_and_others_pass_beside_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    given = book((tmp_path / "a.png", "wren"), (tmp_path / "b.png", "crow"), (tmp_path / "c.png", "crow"))
    found = book_labels(given, [ImageFile(Path("elsewhere.png"), "a")], OPTIONS)
    assert found.pool == {"a": 1}
    assert found.beside == (ImageFile(tmp_path / "b.png", "b", "crow"),)
    assert found.counts == {"book_labels": 2}
    assert found.note == "1 of the prompt book's 3 labelled images are gone; the others are used."
    none = book_labels(book((tmp_path / "c.png", "crow")), [], OPTIONS)
    assert (none.counts, none.gone) == ({}, 1)
    assert none.note == "1 of the prompt book's 1 labelled images are gone; it is used without them."


def test_images_that_were_held_out_judge_and_are_no_labels(tmp_path: Path) -> None:
    names = ["a", *(f"h{number}" for number in range(FEWEST_JUDGES - 1))]
    for name in names:
        (tmp_path / f"{name}.png").write_bytes(b"")
    chose = book((tmp_path / "a.png", "wren"))
    held = book(*((tmp_path / f"{name}.png", "crow") for name in (*names, "i", "j"))).labelled
    given = chose.model_copy(update={"held_out": held})
    found = book_labels(given, [ImageFile(Path("elsewhere.png"), "i")], OPTIONS)
    assert found.pool == {}
    assert found.judges == dict.fromkeys([*names[1:], "i"], 0), "a chose the prompts, and j is gone"
    assert {image.content_hash for image in found.beside} == set(names)
    assert (found.counts, found.gone, found.too_few) == ({"book_labels": 1}, 1, 0)
    assert found.note == "1 of the prompt book's 18 labelled images are gone; the others are used."


def test_too_few_to_judge_are_left_out_and_said(tmp_path: Path) -> None:
    for name in ("a", "h"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    held = book((tmp_path / "h.png", "crow")).labelled
    given = book((tmp_path / "a.png", "wren")).model_copy(update={"held_out": held})
    found = book_labels(given, [], OPTIONS)
    assert (found.judges, found.too_few, found.gone) == ({}, 1, 0)
    assert [image.content_hash for image in found.beside] == ["a"]
    assert found.note == (
        "1 images that had no part in choosing the book are too few to judge it; 16 are enough."
    )


@pytest.mark.parametrize(
    "options",
    [
        ResolveOptions(start="book", max_rounds=0),
        ResolveOptions(start="book", rule="table"),
        ResolveOptions(start="book", candidates="conformal"),
        ResolveOptions(start="names"),
    ],
)
def test_rules_that_have_no_use_for_labels_get_none(tmp_path: Path, options: ResolveOptions) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    given = book((tmp_path / "a.png", "wren"))
    assert book_labels(given, [], options) == BookLabels()
    assert book_labels(None, [], OPTIONS) == BookLabels()
    assert book_labels(book(), [], OPTIONS).note == ""


def test_a_book_refuses_labelled_images_of_other_classes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="labelled images of classes that the book does not list"):
        PromptBook.model_validate(
            {
                "classes": ["crow"],
                "held_out": [{"image": "a", "image_hash": "a", "answer": "class", "label": "jay"}],
            }
        )
    with pytest.raises(ValueError, match="labelled images of classes that the book does not list"):
        book((tmp_path / "a.png", "owl"))
