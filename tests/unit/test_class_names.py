"""One name is one class, however it is spelled, wherever it comes in."""

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from fieldmark import PromptBook
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.checks import check_book, check_calibration
from fieldmark.app.evaluate.inputs import read_captions, read_tree
from fieldmark.app.inputs import check_classes, find_given, read_class_names
from fieldmark.errors import ClassNamesError, FieldmarkError, InputError
from fieldmark.records import Origin, Prompt
from fieldmark.records.names import near_note, one_name, plain_name
from fieldmark.tools.books.descriptions import read_descriptions
from fieldmark.tools.books.files import read_book
from fieldmark.tools.books.formats import import_book
from fieldmark.tools.concepts.folder import slug_of
from fieldmark.tools.datasets.labelled import read_labelled, read_rows
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.reading import read_test_set

NAME = unicodedata.normalize("NFC", "Eichelhäher")
APART = unicodedata.normalize("NFD", NAME)
SPELLINGS = [APART, f"{NAME} ", f"\u00a0{NAME}", f"{NAME}\u200b", f"\ufeff{NAME}"]


def picture(path: Path, colour: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour, 0, 0)).save(path)
    return path


def test_alike_means_equal_but_for_case_blanks_and_underscores() -> None:
    assert plain_name(" Scarlet_Tanager ") == plain_name("scarlet  tanager") == "scarlet tanager"
    assert plain_name("Straße") == plain_name("STRASSE")
    assert plain_name("red-eyed vireo") != plain_name("red eyed vireo")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_folded_into_one(spelling: str) -> None:
    assert one_name(spelling) == NAME
    assert plain_name(spelling) == plain_name(NAME)
    assert slug_of(spelling.strip()) == slug_of(NAME)


def test_joiners_that_emoji_need_stay() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert one_name(family) == family


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_class_names_are_folded_in_code_and_in_files(spelling: str, tmp_path: Path) -> None:
    assert check_classes([spelling, "jay"]) == (NAME, "jay")
    file = tmp_path / "classes.txt"
    file.write_text(f"{spelling}\njay\n", encoding="utf-8")
    assert check_classes(read_class_names(str(file))) == (NAME, "jay")
    with pytest.raises(ClassNamesError, match=r"twice|two spellings"):
        check_classes([NAME, spelling])


def test_folders_in_two_spellings_are_one_class(tmp_path: Path) -> None:
    for number, name in enumerate((NAME, APART, f"{NAME} ", "jay")):
        picture(tmp_path / name / f"{number}.png", 40 * number)
    found = read_labelled(tmp_path, shots=0, seed=1)
    assert sorted(found.classes) == sorted([NAME, "jay"])
    assert sum(image.label == NAME for image in found.test) == 3
    assert {image.label for image in find_given([tmp_path], labelled=True).images} == {NAME, "jay"}
    assert set(read_test_set(tmp_path).classes) == {NAME, "jay"}


def test_folders_are_found_by_a_list_of_classes_in_another_spelling(tmp_path: Path) -> None:
    picture(tmp_path / APART / "0.png", 0)
    picture(tmp_path / "jay" / "1.png", 90)
    assert read_labelled(tmp_path, shots=0, seed=1, classes=(f"{NAME} ", "jay")).classes == (NAME, "jay")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_labels_of_lists_are_folded(spelling: str, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png", 80 * number)
    rows = [("0.png", NAME), ("1.png", spelling), ("2.png", "jay")]
    lines = "".join(json.dumps({"path": path, "label": label}) + "\n" for path, label in rows)
    (tmp_path / "list.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "list.csv").write_text(
        "path,label\n" + "".join(f'{path},"{label}"\n' for path, label in rows), encoding="utf-8"
    )
    split = {"train": [[path, place, label] for place, (path, label) in enumerate(rows)]}
    split["train"][1][1] = 0
    (tmp_path / "split.json").write_text(json.dumps(split), encoding="utf-8")
    for name in ("list.jsonl", "list.csv", "split.json"):
        found, _ = read_rows(tmp_path / name)
        assert [label for _, label in found["train"]] == [NAME, NAME, "jay"], name
    assert read_test_set(tmp_path / "list.csv").classes == (NAME, "jay")


def test_a_list_finds_files_whose_names_are_composed_otherwise(tmp_path: Path) -> None:
    picture(tmp_path / f"{APART}.png", 0)
    picture(tmp_path / "jay.png", 90)
    (tmp_path / "list.csv").write_text(f"path,label\n{NAME}.png,a\njay.png,b\n", encoding="utf-8")
    assert len(read_labelled(tmp_path / "list.csv", shots=0, seed=1).test) == 2
    (tmp_path / "captions.jsonl").write_text(
        json.dumps({"image": f"{NAME}.png", "caption": "a bird"}) + "\n", encoding="utf-8"
    )
    images, captions = read_captions(tmp_path / "captions.jsonl", tmp_path, find_given([tmp_path]).images)
    assert (len(images), captions) == (1, ("a bird",))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_books_fit_classes_in_any_spelling(spelling: str, tmp_path: Path) -> None:
    origin = Origin(kind="name")
    book = PromptBook(
        classes=(spelling, "jay"), prompts=(Prompt(class_name=NAME, text="a bird", origin=origin),)
    )
    check_book(book, check_classes([NAME, "jay"]))
    written = json.loads(book.model_dump_json())
    written["classes"][0] = spelling
    file = tmp_path / "book.json"
    file.write_text(json.dumps(written), encoding="utf-8")
    assert read_book(file).classes == PromptBook.load(file).classes == (NAME, "jay")
    written["classes"].append(NAME)
    file.write_text(json.dumps(written), encoding="utf-8")
    for read in (read_book, PromptBook.load):
        with pytest.raises(InputError, match=r"twice|two spellings"):
            read(file)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_descriptions_and_other_projects_books_are_folded(spelling: str, tmp_path: Path) -> None:
    file = tmp_path / "texts.json"
    file.write_text(json.dumps({spelling: ["a blue wing"], "jay": ["a crest"]}), encoding="utf-8")
    assert import_book(file, format="dclip").book.classes == (NAME, "jay")
    given = read_descriptions(file, (NAME, "jay"), format="dclip")
    assert {prompt.class_name for prompt in given.prompts} == {NAME, "jay"}
    file.write_text(json.dumps({spelling: ["a"], NAME: ["b"]}), encoding="utf-8")
    with pytest.raises(InputError, match="two spellings"):
        import_book(file, format="dclip")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_trees_are_folded(spelling: str, tmp_path: Path) -> None:
    file = tmp_path / "tree.json"
    file.write_text(json.dumps({spelling: "corvid", "jay": "corvid"}), encoding="utf-8")
    assert read_tree(file, (NAME, "jay"))[NAME] == "corvid"


def test_a_listing_has_no_class_in_two_spellings(tmp_path: Path) -> None:
    listing = Listing(rows={"test": [(tmp_path, APART)]}, classes=(f"{NAME} ",), source="it")
    assert (listing.classes, listing.rows["test"][0][1]) == ((NAME,), NAME)
    with pytest.raises(ClassNamesError, match="two spellings"):
        Listing(rows={}, classes=(NAME, APART), source="it")


def test_what_differs_only_in_case_or_underscores_is_flagged(tmp_path: Path) -> None:
    assert near_note(["House_Sparrow", "house sparrow", "jay"]).startswith(
        "'House_Sparrow' and 'house sparrow' differ only in case"
    )
    assert near_note(["house sparrow", "jay"]) == ""
    for number, name in enumerate(("House_Sparrow", "house sparrow", "jay")):
        picture(tmp_path / "data" / name / f"{number}.png", 60 * number)
    for found in (read_labelled(tmp_path / "data", shots=0, seed=1), read_test_set(tmp_path / "data")):
        assert any("differ only in case" in note for note in found.notes)
    with pytest.raises(ClassNamesError, match="differ only in case"):
        read_labelled(tmp_path / "data", shots=0, seed=1, classes=("jay", "house sparrow"))
    images = find_given([tmp_path / "data"], labelled=True).images
    with pytest.raises(FieldmarkError, match="differ only in case"):
        check_calibration(images, (), classes=("jay", "house sparrow"), options=ResolveOptions())
    with pytest.raises(FieldmarkError, match="differ only in case"):
        check_book(PromptBook(classes=("Jay", "wren"), prompts=()), ("jay", "wren"))


def test_other_signs_make_another_name() -> None:
    assert len({plain_name(name) for name in ("c", "c++", "c#", "café", "cafe")}) == 5
