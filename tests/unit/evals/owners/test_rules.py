import pytest

from fieldmark.aviary.language.understand import understand
from fieldmark.aviary.world.conditions import VALUES
from fieldmark.errors import InputError
from fieldmark.evals.owners.explanations import (
    also_counted,
    choose_option,
    imagined,
    near_boundary,
    reason_for,
    sense_of,
    stance,
    turning,
)
from fieldmark.evals.owners.rules import RULE_BY_KEY, RULES, rules_named

OPTIONS = ("always needed", "only some of them count", "never", "it does not matter")


def test_there_are_fifteen_rules_neither_rare_nor_trivial():
    assert len(RULES) == len(RULE_BY_KEY) == 15
    assert {rule.difficulty for rule in RULES} == {"plain", "exceptions", "degrees", "context", "subjective"}
    for rule in RULES:
        share = sum(rule.inside(bird) for bird in imagined()) / len(imagined())
        assert 0.08 < share < 0.7, (rule.key, share)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_a_rule_looks_at_its_features_and_at_no_others(rule):
    for bird in imagined()[:40]:
        for key in set(VALUES) - rule.decision.features:
            assert len({rule.inside({**bird, key: value}) for value in VALUES[key]}) == 1
    assert any(turning(rule, bird) for bird in imagined()[:40])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_reasons_speak_of_what_decides(rule):
    for bird in imagined()[:60]:
        reason = reason_for(rule, bird)
        understood = understand(reason)
        if understood is None:
            assert reason in ("It has all of it.", "Nothing about it fits.")


def test_reasons_by_hand():
    striped = RULE_BY_KEY["striped"]
    bird = {**imagined()[0], "pattern": "spotted"}
    assert reason_for(striped, bird) == "It would need a striped breast."
    assert reason_for(striped, {**bird, "pattern": "striped"}) == "Because of this: a striped breast."
    crowned = {**bird, "cap": "black", "size": "large", "crest": "none"}
    assert reason_for(RULE_BY_KEY["crowned"], {**crowned, "crest": "pointed"}) == "Not with a black cap."
    assert near_boundary(RULE_BY_KEY["crowned"], {**crowned, "crest": "pointed"})


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("What of small birds?", "never"),
        ("What of birds with a black cap?", "never"),
        ("What of birds at night?", "any"),
        ("What of birds with a crest?", "some"),
    ],
)
def test_answers_come_from_the_rule(question, wanted):
    found = stance(RULE_BY_KEY["crowned"], understand(question).condition)
    assert found == wanted
    assert choose_option(found, OPTIONS) in OPTIONS


def test_what_else_counts_is_added_unasked():
    assert stance(RULE_BY_KEY["warm"], understand("birds with a red body").condition) == "some"
    told = also_counted(RULE_BY_KEY["warm"], understand("birds with a red body").condition)
    assert "a pink body" in told
    assert "blue" not in told
    assert also_counted(RULE_BY_KEY["striped"], understand("birds with a striped belly").condition) == ""


def test_an_owner_reads_clauses_by_what_they_mean():
    striped = RULE_BY_KEY["striped"]
    assert sense_of(striped, ["necessary: The bird has a striped belly."]) == 1.0
    worse = sense_of(striped, ["necessary: The bird has a striped belly.", "negative: The bird is small."])
    assert 0.5 < worse < 1.0
    # Of a concept that one bird in five shows, "none of them" is right four times in five, and says nothing.
    nothing = sense_of(
        striped, ["necessary: The bird has a striped belly.", "necessary: The bird has a plain belly."]
    )
    assert nothing == 0.0
    assert sense_of(striped, ["necessary: It is a matter of taste."]) is None


def test_rules_are_named():
    assert rules_named(("all",)) == RULES
    assert [rule.key for rule in rules_named(("warm", "warm", "striped"))] == ["warm", "striped"]
    with pytest.raises(InputError, match="'nobody'"):
        rules_named(("nobody",))
    with pytest.raises(InputError, match="named"):
        rules_named(())
