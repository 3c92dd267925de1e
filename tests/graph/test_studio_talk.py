"""A conversation through the studio's pages: the same questions, records and end as at a terminal."""

from pathlib import Path

from tests.graph.define_talk import talk
from tests.graph.define_world import scene
from tests.graph.studio_talk import AT, visit


def test_a_concept_is_taken_to_its_first_board(tmp_path: Path) -> None:
    browser = visit(tmp_path)
    browser.open()
    assert browser.heading == "Ready to begin"
    while "/answer" in browser.page or browser.heading == "Ready to begin":
        assert browser.follow_the_rule()
    assert browser.screens[0] == "Ready to begin"
    assert "Board 1: 0 of" in browser.page
    concept = browser.at.concept
    assert [d.answer for d in concept.decisions if d.kind == "scope"], "answers are in the record"
    assert all(clause.text in browser.page for clause in concept.definition.active)
    assert "Until the end, still missing" in browser.page
    browser.follow_the_rule()
    assert "Board 1: 1 of" in browser.page


def test_what_was_begun_in_a_terminal_goes_on_in_the_page(tmp_path: Path) -> None:
    browser = visit(tmp_path)
    browser.at.owner.leave_at = ["board"]
    left = talk(browser.at)
    assert left.pending is not None
    browser.open()
    assert browser.hidden("turn") == left.pending.turn
    assert f'action="{AT}/label"' in browser.page


def test_an_owner_with_a_rule_goes_to_the_end_of_the_blind_test(tmp_path: Path) -> None:
    """The record is the same as where the same owner talks without pages, but for the times."""
    browser = visit(tmp_path / "pages")
    browser.open()
    for _ in range(400):
        if not browser.follow_the_rule():
            break
    assert browser.heading == "The conversation is over"
    at = scene(tmp_path / "terminal" / "home" / "concepts")
    assert talk(at).pending is None
    there, here = at.concept, browser.at.concept
    assert here.definition == there.definition
    assert {(c.image, c.value) for c in here.labels} == {(c.image, c.value) for c in there.labels}
    assert sum(label.split == "blind" for label in here.labels) == len(here.blind)
