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
