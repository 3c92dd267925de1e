"""Published prompt files are told apart by their content, and come back as they were."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.books.formats import export_book, import_book
from fieldmark.tools.books.wording import descriptor_prompts

FILES = {
    "dclip/descriptors_dtd.json": "dclip",
    "dclip/descriptors_food101.json": "dclip",
    "dclip/descriptors_pets.json": "dclip",
    "proapo/dtd/category_description/AWT.json": "cupl",
    "proapo/dtd/category_description/AdaptCLIP.json": "cupl",
    "proapo/dtd/category_description/CuPL_base.json": "cupl",
    "proapo/dtd/category_description/CuPL_full.json": "cupl",
    "proapo/dtd/category_description/DCLIP.json": "dclip",
    "proapo/dtd/category_description/GPT4Vis.json": "cupl",
    "proapo/dtd/category_synonym/gpt-4-turbo-2024-04-09.json": "synonyms",
    "chils/cifar20-true.json": "chils",
}


@pytest.fixture
def published() -> Path:
    folder = os.environ.get("FIELDMARK_INTEROP_DIR")
    if not folder:
        pytest.skip("FIELDMARK_INTEROP_DIR names no folder of published prompt files")
    return Path(folder)


@pytest.mark.parametrize("name", FILES)
def test_told_by_content_in_the_order_of_the_file(published: Path, name: str) -> None:
    value: dict[str, Any] = json.loads((published / name).read_text(encoding="utf-8"))
    made = import_book(published / name, noun="thing")
    assert made.format == FILES[name]
    assert made.book.classes == tuple(value)
    expected = {
        "dclip": descriptor_prompts,
        "cupl": dict,
        "synonyms": plain,
        "chils": plain,
    }[made.format](value)
    assert {name: made.book.texts(name) for name in made.book.classes} == expected
    assert made.lost == ({"blank": 9} if "AWT" in name else {})


def plain(value: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: [f"a photo of a {other}." for other in own] for name, own in value.items()}


@pytest.mark.parametrize("name", [name for name, chosen in FILES.items() if chosen in ("dclip", "cupl")])
def test_comes_back_without_loss(published: Path, name: str) -> None:
    made = import_book(published / name)
    exported = export_book(made.book, made.format)  # pyright: ignore[reportArgumentType]
    value = json.loads((published / name).read_text(encoding="utf-8"))
    assert exported.value == value
    assert list(exported.value) == list(value)
    assert exported.lost == {}


@pytest.mark.parametrize(
    ("name", "repeats", "sentences"), [("eurosat", 37, 356), ("pets", 1_829, 5_264), ("dtd", 2_256, 6_790)]
)
def test_pairs_keep_what_their_authors_pooling_keeps(
    published: Path, name: str, repeats: int, sentences: int
) -> None:
    path = published / "fudd" / f"{name}_prompt_pairs.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: it is in differential_descriptions/ of the authors' repository")
    names = path.with_name(f"{name}_class_names.json")
    value = json.loads(path.read_text(encoding="utf-8"))
    if not names.is_file():
        most = max(index for entry in value.values() for index in entry["classes"])
        pytest.skip(f"{names} is not there, the names of the {most + 1} classes")
    made = import_book(path, class_names=names)
    lists: dict[int, list[str]] = {}
    for entry in value.values():
        for each in entry["prompt_pairs"]:
            for index, text in zip(entry["classes"], each["prompt_pair"], strict=True):
                lists.setdefault(index, []).append(text)
    assert sum(map(len, lists.values())) == sentences
    kept = {made.book.classes[index]: list(dict.fromkeys(own)) for index, own in lists.items()}
    assert {
        name: own for name in made.book.classes if (own := made.book.texts(name)) and name in kept
    } == kept
    assert (made.lost["repeats"], sum(map(len, kept.values()))) == (repeats, sentences - repeats)


@pytest.mark.parametrize(
    "name",
    [
        "coop/split_zhou_DescribableTextures.json",
        "proapo/dtd/fewshot_dataset/seed_1_num_shots_1.json",
        "proapo/dtd/label_to_category_name.json",
    ],
)
def test_files_without_prompts_are_named(published: Path, name: str) -> None:
    with pytest.raises(InputError) as told:
        import_book(published / name)
    assert "not prompts" in told.value.hint
