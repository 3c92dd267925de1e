"""When two spellings are one name."""

import pytest

from fieldmark.tools.books.wording import plain_name


@pytest.mark.parametrize("other", ["red-bellied Finch", " red-bellied  finch ", "Red-bellied_finch"])
def test_case_spaces_and_underscores_make_no_other_name(other: str) -> None:
    assert plain_name(other) == "red-bellied finch"


def test_other_signs_do() -> None:
    assert len({plain_name(name) for name in ("c", "c++", "c#", "café", "cafe")}) == 5
