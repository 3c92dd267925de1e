import os
import subprocess
import sys
from collections import Counter

import pytest

from fieldmark.aviary.guide.beliefs import Beliefs, GuideSettings
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, BUILD_KEYS, KEYS, KIND_BY_NOUN
from fieldmark.aviary.world.species import species_book
from fieldmark.errors import InputError

BOOK = species_book(1)
NEW = [s for s in BOOK if not s.known]


def wrong_share(beliefs, questions):
    wrong = sum(
        beliefs.stated(beliefs.of(s.name), key, question) != s.marks[key]
        for question in questions
        for s in BOOK
        for key in KEYS
    )
    return wrong / (len(questions) * len(BOOK) * len(KEYS))


@pytest.mark.parametrize("mistakes", [0.05, 0.15, 0.3, 0.6])
def test_the_share_of_wrong_statements_is_the_one_asked_for(mistakes):
    beliefs = Beliefs(BOOK, GuideSettings(mistakes=mistakes))
    # 16,000 statements of which only the slips are left to chance: standard deviation < 0.0025.
    share = wrong_share(beliefs, [f"q{i}" for i in range(10)])
    assert share == pytest.approx(mistakes, abs=0.0075)


def test_every_kind_has_its_share():
    settings = GuideSettings(mistakes=0.2, family_share=0.6, persistent_share=0.1)
    beliefs = Beliefs(NEW, settings)
    kinds = Counter(beliefs._kinds.values())
    cells = len(NEW) * len(KEYS)
    assert kinds["family"] / cells == pytest.approx(0.12, abs=4 / cells)
    assert kinds["persistent"] / cells == pytest.approx(0.02, abs=4 / cells)
    slips = sum(
        beliefs.stated(beliefs.of(s.name), key, f"q{i}") != beliefs.of(s.name).held[key]
        for i in range(10)
        for s in NEW
        for key in KEYS
    )
    assert slips / (10 * cells) == pytest.approx(0.06, abs=0.0075)


def test_without_mistakes_everything_stated_is_true():
    assert wrong_share(Beliefs(BOOK, GuideSettings(mistakes=0.0)), ["q1", "q2"]) == 0.0


def test_lasting_mistakes_are_what_differs_from_the_truth():
    beliefs = Beliefs(BOOK, GuideSettings())
    wrong = {(s.name, key) for s in BOOK for key in KEYS if beliefs.of(s.name).held[key] != s.marks[key]}
    assert wrong == set(beliefs._kinds)
    assert all(beliefs.of(s.name).held[key] in ATTRIBUTE_BY_KEY[key].values for s in BOOK for key in KEYS)


def test_family_mistakes_describe_the_family_alike():
    beliefs = Beliefs(BOOK, GuideSettings())
    families = {s.name: s.family for s in BOOK}
    mistaken = {(families[n], key) for (n, key), kind in beliefs._kinds.items() if kind == "family"}
    assert len(mistaken) > 10
    for family, key in mistaken:
        held = {beliefs.of(s.name).held[key] for s in BOOK if s.family == family}
        assert len(held) == 1


def test_known_species_have_no_family_to_share_mistakes_with():
    beliefs = Beliefs(BOOK, GuideSettings(family_share=1.0, persistent_share=0.0))
    kinds = {kind for (n, _), kind in beliefs._kinds.items() if n in {s.name for s in BOOK if s.known}}
    assert kinds == {"persistent"}


def test_lasting_mistakes_are_repeated_and_slips_are_not():
    beliefs = Beliefs(BOOK, GuideSettings(mistakes=0.3))
    for (name, key), _ in list(beliefs._kinds.items())[:50]:
        impression = beliefs.of(name)
        assert {beliefs.stated(impression, key, f"q{i}") for i in range(5)} == {impression.held[key]}
    right = [(s, key) for s in BOOK for key in KEYS if (s.name, key) not in beliefs._kinds]
    stated = [{beliefs.stated(beliefs.of(s.name), key, f"q{i}") for i in range(30)} for s, key in right[:100]]
    assert all(s.marks[key] in values for (s, key), values in zip(right, stated, strict=False))
    assert sum(len(values) > 1 for values in stated) > 50


def test_another_seed_makes_other_mistakes_of_the_same_number():
    one, two = (Beliefs(NEW, GuideSettings(seed=seed))._kinds for seed in (0, 1))
    assert len(one) == len(two)
    assert len(set(one) & set(two)) < len(one) / 2


def test_typical_marks_are_those_of_most_of_the_family():
    beliefs = Beliefs(BOOK, GuideSettings(mistakes=0.0))
    for s in NEW[:20]:
        family = [other for other in NEW if other.family == s.family]
        typical = beliefs.of(s.name).typical
        assert set(BUILD_KEYS) <= typical
        for key in KEYS:
            alike = sum(other.marks[key] == s.marks[key] for other in family)
            assert (key in typical) == (alike * 2 > len(family))


def test_names_are_found_in_any_spelling_and_others_are_made_up():
    beliefs = Beliefs(BOOK, GuideSettings())
    name = BOOK[0].name
    assert beliefs.of(name.upper().replace(" ", "_ ")).held == beliefs.of(name).held
    stranger = beliefs.of("blue-footed heron")
    assert stranger.entry is None
    assert stranger.held == beliefs.of("Blue-footed  Heron").held
    assert KIND_BY_NOUN["heron"].marks.items() <= stranger.held.items()
    assert set(beliefs.of("").held) == set(KEYS)
    assert beliefs.stated(stranger, "bill", "q") == stranger.held["bill"]


@pytest.mark.parametrize(
    "shares",
    [
        {"mistakes": -0.1},
        {"mistakes": 0.7},
        {"mistakes": float("nan")},
        {"family_share": 0.8, "persistent_share": 0.3},
        {"persistent_share": -0.1},
        {"other_names": 1.1},
    ],
)
def test_impossible_shares_are_refused(shares):
    with pytest.raises(InputError):
        GuideSettings(**shares)


def test_beliefs_and_slips_are_the_same_in_every_process():
    code = (
        "from fieldmark.aviary.guide.beliefs import *\n"
        "from fieldmark.aviary.world.species import species_book\n"
        "import hashlib\n"
        "b = species_book(1); g = Beliefs(b, GuideSettings())\n"
        "t = [[g.stated(g.of(s.name), k, 'q') for k in s.marks] for s in b]\n"
        "t.append(list(g.of('a stranger').held.values()))\n"
        "t.append([sorted(g.of(s.name).typical) for s in b])\n"
        "print(hashlib.sha256(repr(t).encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
