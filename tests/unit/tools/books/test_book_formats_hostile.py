"""Files that are not what they should be end in one sentence that names the file, whatever is in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books import files as book_files
from fieldmark.tools.books.files import read_book, write_book
from fieldmark.tools.books.formats import export_book, import_book, write_exported

BOOK = {"format": "fieldmark.book/1", "classes": ["a", "b"]}
PROMPT = {"class_name": "a", "text": "t", "origin": {"kind": "name"}}


def refused(path: Path, **options: Any) -> InputError:
    """The error that importing ends in; it names the file and is short."""
    with pytest.raises(InputError) as told:
        import_book(path, **options)
    assert repr(str(path)) in told.value.message
    assert len(told.value.message) < 400 + len(str(path))
    return told.value


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is no JSON"),
        (b"crow: black", "is no JSON"),
        (b'{"crow": ["black"]', "is no JSON"),
        (b'{"crow": ["black"]} {}', "is no JSON"),
        ('{"crow": ["größe"]}'.encode("latin-1"), "is not UTF-8"),
        ('{"crow": ["black"]}'.encode("utf-16"), "is not UTF-8"),
        (b"[" * 200_000, "is nested too deeply"),
        (b'{"a": ' * 200_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no JSON"),
        (b'{"crow": ["a"], "crow": ["b"]}', "has the key 'crow' twice"),
        (b'{"crow": [{"x": 1, "x": 2}]}', "has the key 'x' twice"),
        (b'{"%s": [], "%s": []}' % (b"k" * 9000, b"k" * 9000), "twice in one object"),
        (b'{"crow": ["\\ud800 black"]}', "half a character in entry 0 of 'crow'"),
        (b'{"\\udc00": ["black"]}', "half a character in a class name"),
        (b"null", "holds null"),
        (b"true", "holds true"),
        (b"3", "holds a number"),
        (b"NaN", "holds a number"),
        (b'"text"', "holds a text"),
        (b'["crow", "wren"]', "holds a list"),
        (b"{}", "holds no class"),
        (b'{" ": ["black"]}', "a blank for a class name"),
        (b'{"crow": "black"}', "has a text for 'crow', not a list of texts"),
        (b'{"crow": null}', "has null for 'crow'"),
        (b'{"crow": {"0": "black"}}', "has an object for 'crow'"),
        (b'{"crow": ["black", 3]}', "has a number as entry 1 of 'crow', not a text"),
        (b'{"crow": ["black", NaN]}', "has a number as entry 1 of 'crow'"),
        (b'{"crow": [null]}', "has null as entry 0 of 'crow'"),
        (b'{"crow": [["black"]]}', "has a list as entry 0 of 'crow'"),
        (b'{"crow": [true]}', "has true as entry 0 of 'crow'"),
    ],
)
@pytest.mark.parametrize("chosen", [None, "dclip", "cupl", "synonyms", "chils"])
def test_class_files(tmp_path: Path, data: bytes, says: str, chosen: Any) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)
    assert says in refused(path, format=chosen).message


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'\xef\xbb\xbf{"crow": ["black all over"]}')
    assert import_book(path).book.classes == ("crow",)


@pytest.mark.parametrize("chosen", ["synonyms", "chils"])
def test_a_blank_name_is_none(tmp_path: Path, chosen: Any) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"crow": ["crow", " "]}')
    assert "a blank name for 'crow'" in refused(path, format=chosen).message


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"train": [["a.jpg", 0, "crow"]], "val": [], "test": []}, "data split"),
        ({"train": {"a.jpg": "crow"}, "val": {}}, "data split"),
        ({"0": "crow", "1": "wren"}, "class names by label"),
        (["crow", "wren"], "class names"),
    ],
)
def test_other_well_known_files_are_named(tmp_path: Path, value: Any, says: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(value))
    assert says in refused(path).hint


def test_files_that_are_not_there_or_not_files(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.json").message
    assert "cannot be read: Is a directory" in refused(tmp_path).message
    assert "cannot be read: " in refused(tmp_path / "a\0b").message


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(book_files.MOST_BYTES + 1)
    assert "is larger than 256 MiB" in refused(path).message
    monkeypatch.setattr(book_files, "MOST_BYTES", 1 << 20)
    if Path("/dev/zero").exists():  # says that it has no byte, and has no end
        assert "not a regular file" in refused(Path("/dev/zero")).message


def entry(first: int, second: int, *pairs: Any) -> dict[str, Any]:
    return {"classes": [first, second], "prompt_pairs": list(pairs)}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "holds a list, not an object of pairs"),
        ({"a_b": entry(0, 1)}, "has the key 'a_b', which names no pair"),
        ({"0-1": entry(0, 1)}, "names no pair"),
        ({"0_01": entry(0, 1)}, "names no pair"),
        ({"0_١": entry(0, 1)}, "names no pair"),
        ({"0_1\n": entry(0, 1)}, "names no pair"),
        ({"0_1": []}, "has a list for pair '0_1', not an object"),
        ({"1_0": entry(1, 0)}, "whose first number is not the smaller one"),
        ({"1_1": entry(1, 1)}, "whose first number is not the smaller one"),
        ({"0_3": entry(0, 3)}, "but there are 3 class names"),
        ({"0_" + "9" * 6000: entry(0, 1)}, "but there are 3 class names"),
        ({"0_1": entry(0, 2)}, "names other classes inside pair '0_1'"),
        ({"0_1": {"prompt_pairs": []}}, "names other classes inside pair '0_1'"),
        ({"0_1": {"classes": [0, 1]}}, "has no list of prompt_pairs in pair '0_1'"),
        ({"0_1": entry(0, 1, "text")}, "has a text as prompt pair 0 of pair '0_1'"),
        ({"0_1": entry(0, 1, {"prompt_pair": ["a", "b"]})}, "has null as attr_type in prompt pair 0"),
        ({"0_1": entry(0, 1, {"attr_type": "x"})}, "has no two texts as prompt_pair"),
        ({"0_1": entry(0, 1, {"attr_type": "x", "prompt_pair": ["a"]})}, "has no two texts"),
        ({"0_1": entry(0, 1, {"attr_type": "x", "prompt_pair": ["a", 3]})}, "has no two texts"),
        ({"0_1": entry(0, 1, {"attr_type": "x", "prompt_pair": "ab"})}, "has no two texts"),
        ({"0_1": entry(0, 1, {"attr_type": "\ud800", "prompt_pair": ["a", "b"]})}, "half a character"),
    ],
)
def test_pair_files(tmp_path: Path, value: Any, says: str) -> None:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(value))
    (tmp_path / "pairs_class_names.json").write_text('["crow", "wren", "tit"]')
    assert says in refused(path, format="fudd").message


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ('{"0": "crow"}', "holds an object, not a list of class names"),
        ('["crow", 3]', "has a number as entry 1, not a class name"),
        ('["crow", "wren", "crow"]', "lists the class 'crow' twice"),
        ('["crow", ""]', "has a blank for entry 1"),
        ("[]", "lists no class"),
        ("[", "is no JSON"),
    ],
)
def test_class_lists(tmp_path: Path, names: str, says: str) -> None:
    path, beside = tmp_path / "pairs.json", tmp_path / "elsewhere.json"
    path.write_text("{}")
    beside.write_text(names)
    with pytest.raises(InputError) as told:
        import_book(path, format="fudd", class_names=beside)
    assert says in told.value.message
    assert repr(str(beside)) in told.value.message


def test_a_pair_file_needs_one_class_list(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"0_1": entry(0, 1, {"attr_type": "x", "prompt_pair": ["a", "b"]})}))
    error = refused(path)
    assert "no class list lies beside it" in error.message
    assert "class names" in error.hint
    for name in "xy":
        (tmp_path / f"{name}_class_names.json").write_text('["crow", "wren"]')
    assert "2 class lists lie beside it" in refused(path).message
    (tmp_path / "pairs_class_names.json").write_text('["tit", "owl"]')  # its own comes first
    assert import_book(path).book.classes == ("tit", "owl")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "is no prompt book: classes: Field required"),
        ([], "is no prompt book"),
        ({**BOOK, "format": "fieldmark.book/2"}, "is no prompt book: format"),
        ({**BOOK, "classes": "ab"}, "is no prompt book: classes"),
        ({**BOOK, "classes": ["a", "a"]}, "lists the class 'a' twice"),
        ({**BOOK, "classes": ["a", " "]}, "a blank for a class name"),
        ({**BOOK, "classes": ["a", "\ud800"]}, "half a character in a class name"),
        ({**BOOK, "more": 1}, "is no prompt book: more: Extra inputs"),
        ({**BOOK, "prompts": [{**PROMPT, "class_name": "c"}]}, "prompts for classes that the book does not"),
        ({**BOOK, "prompts": [{**PROMPT, "class_name": "c" * 9000}]}, "prompts for classes"),
        ({**BOOK, "prompts": [{**PROMPT, "text": 3}]}, "is no prompt book: prompts.0.text"),
        ({**BOOK, "prompts": [{**PROMPT, "text": "\ud800"}]}, "half a character in prompt 0"),
        (
            {**BOOK, "prompts": [{**PROMPT, "origin": {"kind": "name", "model": "\ud800"}}]},
            "half a character in prompt 0",
        ),
        ({**BOOK, "noun": "\udfff"}, "half a character in the noun"),
        ({**BOOK, "noun": ""}, "has a blank for the noun"),
        (
            {**BOOK, "prompts": [{**PROMPT, "weight": float("nan")}]},
            "prompts.0.weight: Input should be a finite",
        ),
        (
            {**BOOK, "prompts": [{**PROMPT, "weight": float("inf")}]},
            "prompts.0.weight: Input should be a finite",
        ),
        ({**BOOK, "prompts": [{**PROMPT, "origin": {"kind": "rumour"}}]}, "prompts.0.origin.kind"),
    ],
)
def test_books(tmp_path: Path, value: Any, says: str) -> None:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError) as told:
        read_book(path)
    assert says in told.value.message
    assert repr(str(path)) in told.value.message
    assert len(told.value.message) < 400 + len(str(path))


def test_a_book_with_a_class_twice_in_its_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text('{"format": "fieldmark.book/1", "classes": ["a"], "classes": ["b"]}')
    with pytest.raises(InputError, match="has the key 'classes' twice"):
        read_book(path)


def test_names_that_could_be_taken_for_something_else_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    odd = {"format": ["a striped coat of fur"], "{0}, which ": ["has %s and {x}"], "__class__": ["a\nb c d"]}
    path.write_text(json.dumps(odd))
    book = import_book(path).book
    assert book.texts("{0}, which ") == ["{0}, which, which has %s and {x}"]
    assert list(export_book(book, "dclip").value) == ["format", "{0}, which", "__class__"]
    assert import_book(path, format="cupl").book.texts("__class__") == ["a\nb c d"]


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    prompt = Prompt(class_name="a", text="t", origin=Origin(kind="name"))
    book = PromptBook(classes=("a", "b"), prompts=(prompt,))
    nowhere = tmp_path / "none" / "book.json"
    with pytest.raises(InputError, match=r"book\.json' cannot be written: No such file"):
        write_book(book, nowhere)
    with pytest.raises(InputError, match="cannot be written"):
        write_exported(export_book(book, "cupl"), tmp_path)
    assert list(tmp_path.iterdir()) == []
