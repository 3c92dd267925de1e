"""How the words of an option are read."""

import pytest

from fieldmark.cli.optimize import split_words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a", ("a",)),
        (" satellite photo, sketch ,,sketch", ("satellite photo", "sketch")),
        ("", ()),
        (" , ", ()),
    ],
)
def test_words_between_commas_each_once(given: str, words: tuple[str, ...]) -> None:
    assert split_words(given) == words
