"""The scripted guide reads a definition as logic, too."""

from itertools import product

import pytest

from fieldmark.aviary.guide.clauses import called, read_clause
from fieldmark.aviary.world.conditions import UNKNOWN_VALUE, VALUES, View

SURE = 0.84


def seen(**values: str) -> View:
    everything = {key: of[0] for key, of in VALUES.items()} | values
    return View(everything, dict.fromkeys(everything, SURE))


FOUR = {"body": "red", "belly": "blue", "bill": "hooked", "wing": "green"}
TEXTS = ("a red body", "a blue belly", "a hooked bill", "green wings")


def test_four_necessary_clauses_of_which_it_is_84_percent_sure_are_in_and_so_sure() -> None:
    clauses = [read_clause(f"The bird has {text}.") for text in TEXTS]
    assert all(clause.condition is not None for clause in clauses)
    assert called(clauses, seen(**FOUR)) == (True, pytest.approx(SURE, abs=0.01))


def test_positive_clauses_that_do_not_hold_are_out_and_so_sure() -> None:
    clauses = [read_clause(f"The bird has {text}.", role="positive") for text in TEXTS]
    inside, sure = called(clauses, seen(body="black", belly="black", bill="cone", wing="black"))
    assert inside is False
    assert sure > SURE


@pytest.mark.parametrize(
    ("needed", "one", "other", "barred"), list(product(("yes", "no", "unknown"), repeat=4))
)
def test_what_it_cannot_make_out_leaves_open_only_what_hangs_on_it(
    needed: str, one: str, other: str, barred: str
) -> None:
    roles = ("necessary", "positive", "positive", "negative")
    clauses = [read_clause(f"The bird has {t}.", role=r) for t, r in zip(TEXTS, roles, strict=True)]
    said = dict(zip(FOUR, (needed, one, other, barred), strict=True))
    off = {"body": "black", "belly": "black", "bill": "cone", "wing": "black"}
    values = {
        key: FOUR[key] if word == "yes" else off[key] if word == "no" else UNKNOWN_VALUE
        for key, word in said.items()
    }
    ways = [{"yes": (True,), "no": (False,)}.get(word, (True, False)) for word in said.values()]
    possible = {n and (p or q) and not x for n, p, q, x in product(*ways)}
    inside, sure = called(clauses, seen(**values))
    assert inside == (possible.pop() if len(possible) == 1 else None)
    assert 0.5 <= sure <= 1.0
