"""The word list: plain, each word once, no character that would look like a list."""

from fieldmark.tools.scoring.plain_words import PLAIN_CHARACTERS, PLAIN_WORDS


def test_words_are_plain_and_occur_once():
    assert len(PLAIN_WORDS) == len(set(PLAIN_WORDS)) > 300
    assert all(
        word.isascii() and word.islower() and word.isalpha() and 3 <= len(word) <= 9 for word in PLAIN_WORDS
    )


def test_characters_hold_no_separator():
    assert len(PLAIN_CHARACTERS) == len(set(PLAIN_CHARACTERS))
    assert not set(PLAIN_CHARACTERS) & set(" ,.")
