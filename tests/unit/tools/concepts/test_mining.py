import torch

from fieldmark.tools.concepts.mining import (
    distinct_rows,
    diverse_rows,
    groups_by_meaning,
    rows_apart,
    uncertainty,
)


def unit(rows):
    return torch.nn.functional.normalize(torch.tensor(rows), dim=1)


def test_near_duplicates_of_an_earlier_row_go():
    vectors = unit([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.01, 1.0], [1.0, 1.0]])
    assert distinct_rows(vectors) == [0, 2, 4]


def test_near_duplicates_of_others_go_however_many():
    vectors = unit([[1.0, 0.0], *([[1.0, 0.01]] * 80), [1.0, 1.0], [0.0, 1.0]])
    assert rows_apart(vectors, [82, 40, 81], [0]) == [82, 81]
    assert rows_apart(vectors, [2, 1], []) == [2, 1]
    assert rows_apart(vectors, [], [0]) == []


def test_diverse_rows_are_farthest_first_and_keep_away_from_what_was_chosen():
    vectors = unit([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    assert diverse_rows(vectors, 3) == [0, 3, 2]
    assert diverse_rows(vectors, 1, near=vectors[[3]]) == [0]
    assert diverse_rows(vectors, 1, near=vectors[[0]]) == [3]


def test_worth_counts_and_what_is_worth_nothing_is_not_chosen():
    vectors = unit([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert diverse_rows(vectors, 3, worth=torch.tensor([0.0, 1.0, 0.5])) == [1, 2]
    copies = unit([[1.0, 0.0]] * 3)
    assert sorted(diverse_rows(copies, 3)) == [0, 1, 2]


def test_uncertainty_peaks_at_one_half_and_is_nothing_where_nothing_is_known():
    p = torch.tensor([0.0, 0.5, 0.75, 1.0, float("nan")])
    assert uncertainty(p).tolist() == [0.0, 1.0, 0.5, 0.0, 0.0]


def test_texts_that_say_the_same_are_one_group_the_largest_first():
    a, b, c = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    vectors = unit([a, b, [0.05, 1.0, 0.0], [0.0, 1.0, 0.05], c])
    assert groups_by_meaning(vectors) == [[1, 2, 3], [0], [4]]
    assert groups_by_meaning(torch.zeros(0, 3)) == []
