"""The reflective search for words: its Pareto rule by hand, its budget, and what makes words stay or go."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.search.pareto import FoundWords, Proposal, Scored, pareto_shares, search_words


def test_parents_are_drawn_by_how_many_images_they_are_best_on() -> None:
    scores = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]]
    # The first is best nowhere alone. The last image nobody gets right: all are best there.
    assert pareto_shares(scores).tolist() == [0, 3, 2]


def test_of_equal_candidates_the_earlier_one_stays() -> None:
    assert pareto_shares([[1, 0], [1, 0], [0, 1]]).tolist() == [1, 0, 1]
    assert pareto_shares([[0, 0]]).tolist() == [2]


class Letters:
    """Words are letters; an image is right where the words hold its letter. A rewording adds a letter.

    Args:
        wanted: The letter of each image.
        says: What is proposed, in turn; then the same text again.
    """

    together = False

    def __init__(self, wanted: str, says: Sequence[str | None]) -> None:
        self.wanted, self.says, self.asked = wanted, list(says), 0
        self.shown: list[list[int]] = []

    async def score(self, words: Mapping[str, str], images: Sequence[int]) -> Scored:
        self.asked += len(images)
        said = "".join(words.values())
        return Scored([float(self.wanted[n] in said) for n in images], len(images))

    def most_calls(self, images: Sequence[int]) -> int:
        return len(images)

    async def propose(self, words: Mapping[str, str], part: str, images: Sequence[int]) -> Proposal:
        self.asked += 1
        self.shown.append(list(images))
        if not self.says:
            return Proposal(words[part], "the same")
        text = self.says.pop(0)
        return Proposal(text, "too long" if text is None else "better")


START = {"one": "a", "two": "-"}
SEEN, HELD_OUT = range(8), range(8, 16)


def searched(subject: Letters, calls: int = 200) -> FoundWords:
    found = asyncio.run(search_words(START, subject, seen=SEEN, held_out=HELD_OUT, calls=calls, minibatch=4))
    assert subject.asked == found.calls <= calls
    return found


def test_a_better_text_is_found_and_only_of_the_part_that_was_reworded() -> None:
    subject = Letters("aaaabbbb" * 2, ["a", "b"])
    found = searched(subject)
    assert found.words == {"one": "a", "two": "b"}
    assert (found.chosen, found.held_out) == (1, (0.5, 1.0))
    assert [(each.part, each.outcome) for each in found.trials] == [("one", "unchanged"), ("two", "kept")]
    wrong_first = [[subject.wanted[n] for n in shown] for shown in subject.shown]
    assert wrong_first == [["b", "b", "a", "a"]] * 2


def test_words_that_do_better_only_where_they_were_found_are_refused() -> None:
    found = searched(Letters("aaaabbbb" + "aaaacccc", ["ab"]))
    assert found.words == START
    assert found.held_out == (0.5, 0.5)
    assert found.trials[0].outcome == "kept"


def test_one_more_right_of_eight_held_out_is_noise() -> None:
    found = searched(Letters("aaaabbbb" + "aaaaccbc", ["ab"]))
    assert (found.words, found.held_out) == (START, (0.5, 0.625))


def test_worse_words_are_left_at_their_minibatch() -> None:
    subject = Letters("aaaabbbb" * 2, ["-"])
    found = searched(subject)
    assert found.trials[0].outcome == "worse"
    assert found.held_out is None  # nothing was better: the held-out images are not looked at
    assert max(n for shown in subject.shown for n in shown) < 8


def test_unusable_answers_are_counted_and_end_the_search() -> None:
    found = searched(Letters("aaaabbbb" * 2, [None] * 50))
    assert found.failed == {"too long": 6}
    assert found.words == START


def test_nothing_is_asked_where_nothing_is_wrong() -> None:
    found = searched(Letters("a" * 16, ["b"]))
    assert (found.trials, found.calls) == ((), 8)


@pytest.mark.parametrize("calls", [33, 40, 57, 90])
def test_the_budget_is_never_passed(calls: int) -> None:
    searched(Letters("aaaabbcd" * 2, ["ab", "ac", "b", "cd", "bcd"] * 5), calls)


def test_too_few_calls_are_refused_before_anything_is_asked() -> None:
    subject = Letters("aaaabbbb" * 2, ["b"])
    with pytest.raises(InputError, match="takes 33"):
        searched(subject, 32)
    assert subject.asked == 0


def test_the_same_search_takes_the_same_path() -> None:
    says = ["ab", "c", "abc", "bcd"]
    first, second = (searched(Letters("aabbccdd" * 2, says)) for _ in range(2))
    assert first == second
    assert len(first.trials) > 3
