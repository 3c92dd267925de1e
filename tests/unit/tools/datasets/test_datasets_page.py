"""The page about data sets has every set, with the numbers that are checked."""

from pathlib import Path

import pytest

from fieldmark.tools.datasets.domain import domain_ids, published_dataset

PAGE = Path(__file__).parents[4] / "docs" / "datasets.md"


@pytest.mark.parametrize("name", domain_ids())
def test_a_set_stands_on_the_page(name: str) -> None:
    known = published_dataset(name)
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    [row] = [line for line in lines if line.startswith(f"| `{name}` |")]
    _, _, title, classes, tests, where, _ = (cell.strip() for cell in row.split("|"))
    assert title == known.title
    assert classes.split(" ")[0] == f"{known.class_count:,}"
    assert ("from the data" in classes) == (known.classes == "from data")
    assert tests == ", ".join(f"{split.test:,} ({split.name})" for split in known.splits)
    assert all(layout.folder in where for layout in known.layouts)
