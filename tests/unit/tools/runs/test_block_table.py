"""A table is there whole or not at all, and only what is wrong with its file is called so."""

from pathlib import Path

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.runs.block_table import block_table, check_table


def test_an_error_of_who_writes_is_not_the_tables(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a picture"), block_table(tmp_path / "t.csv") as table:
        table.write({"n": [1]})
        raise FileNotFoundError("a picture")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot be written"), block_table(tmp_path / "no" / "t.csv"):
        pass


def test_a_place_that_takes_no_table_is_told_beforehand(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "no" / "t.csv", "There is no folder")):
        with pytest.raises(InputError, match=said) as told:
            check_table(path)
        assert told.value.field == "table"
    check_table(tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())
