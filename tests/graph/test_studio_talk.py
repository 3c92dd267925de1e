"""A conversation through the studio's pages: the same questions, records and end as at a terminal."""

from pathlib import Path

from tests.graph.define_talk import talk
from tests.graph.define_world import scene
from tests.graph.studio_talk import AT, Visit, visit


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


def question_page(place: Path) -> Visit:
    """A browser at the first question."""
    browser = visit(place)
    browser.open()
    browser.send("on")
    assert f'action="{AT}/answer"' in browser.page
    return browser


def board_page(place: Path) -> Visit:
    """A browser at the first board."""
    browser = question_page(place)
    while f'action="{AT}/answer"' in browser.page:
        browser.follow_the_rule()
    assert "Board 1: 0 of" in browser.page
    return browser


def test_what_is_typed_is_read_back_and_counts_when_it_is_accepted(tmp_path: Path) -> None:
    browser = question_page(tmp_path)
    turn = browser.hidden("turn")
    assert "no answer here" in browser.open(f"{AT}?said=z"), "a slip is told"
    first = browser.page.partition('data-key="1"')[2].partition("<bdi>")[2].partition("</bdi>")[0]
    assert f"I understood: <q><bdi>{first}</bdi></q>" in browser.open(f"{AT}?said=1"), "as its button says"
    told = browser.open(f"{AT}?said=9")
    assert "The answers are numbered 1 to" in told
    assert "names a picture" not in told
    page = browser.open(f"{AT}?said=only+%3Cb%3Eadults%3C%2Fb%3E")
    assert "I understood: <q><bdi>only &lt;b&gt;adults&lt;/b&gt;</bdi></q>" in page
    assert not browser.at.concept.decisions, "nothing counts yet"
    browser.send("answer", turn=turn, answer="only <b>adults</b>")
    assert browser.at.concept.decisions[-1].answer == "only <b>adults</b>"


def test_two_clicks_and_two_tabs_count_once(tmp_path: Path) -> None:
    browser = question_page(tmp_path)
    first, token = browser.hidden("turn"), browser.hidden("form_token")
    browser.send("answer", turn=first, answer="yes")
    once = len(browser.at.concept.decisions)
    again = browser.send("answer", form_token=token, turn=first, answer="yes")
    assert "That question does not wait any more" not in again, "a second click is no mistake"
    other = browser.send("answer", form_token=token, turn=first, answer="never")
    assert "That question does not wait any more" in other, "another window said otherwise"
    assert len(browser.at.concept.decisions) == once
    while f'action="{AT}/answer"' in browser.page:
        browser.follow_the_rule()
    before = browser.at.concept.decisions
    told = browser.send("answer", form_token=token, turn=first, answer="my <own> words")
    assert "That question does not wait any more" in told
    assert "my &lt;own&gt; words" in told, "what was typed is not lost"
    assert browser.at.concept.decisions == before
    assert "does not wait any more" in browser.send("board", form_token=token, turn="another")


def test_a_label_can_be_undone_changed_and_given_a_reason(tmp_path: Path) -> None:
    browser = board_page(tmp_path)
    first = browser.hidden("image") or ""
    browser.send("label", image=first, value="in")
    assert "Board 1: 1 of" in browser.page
    second = browser.hidden("image") or ""
    assert second != first
    browser.send("label", image=second, value="out")
    browser.send("undo", image=second)
    browser.send("undo", image=second)  # a second click undoes no second label
    assert "Board 1: 1 of" in browser.page
    browser.send("label", image=first, reason="it has <no> tail")
    assert "it has &lt;no&gt; tail" in browser.page
    browser.send("label", image=first, value="out")
    assert not browser.at.concept.labels, "nothing is noted before the board is"
    while f'action="{AT}/label"' in browser.page:
        browser.send("label", image=browser.hidden("image"), value="out")
    assert browser.heading == "Is that right?"
    browser.send("board")
    labels = {label.image: label for label in browser.at.concept.labels}
    assert (labels[first].value, labels[first].reason) == ("out", "")


def test_a_concept_that_a_terminal_holds_is_told_and_keeps_what_was_said(tmp_path: Path) -> None:
    browser = board_page(tmp_path)
    image = browser.hidden("image") or ""
    with browser.at.context.folder.writing():
        assert "in use elsewhere" in browser.send("label", image=image, value="in")
    assert "Board 1: 0 of" in browser.open()
    browser.send("label", image=image, value="in")
    assert "Board 1: 1 of" in browser.page


def test_a_definition_changed_by_hand_is_taken_up(tmp_path: Path) -> None:
    browser = board_page(tmp_path)
    stale = browser.hidden("turn")
    page = browser.open(f"{AT}/definition")
    clauses = browser.at.concept.definition.active
    assert all(clause.text in page for clause in clauses)
    said = {
        "version": str(browser.at.concept.current),
        "clause": [clause.id for clause in clauses],
        "role": [clause.role for clause in clauses],
        "text": [clause.text for clause in clauses],
        "new_role": "negative",
        "new_text": "It shows a <script>.",
    }
    page = browser.send("definition", **said)
    assert "It shows a &lt;script&gt;." in page
    assert browser.at.concept.current == int(said["version"]) + 1
    assert "this was written for" in browser.send("definition", **said), "a form of another tab"
    assert browser.at.concept.current == int(said["version"]) + 1
    browser.open()
    assert browser.heading == "The definition was changed"
    browser.send("on")
    assert browser.hidden("turn") != stale
    assert "Board" in browser.page


def test_only_pictures_of_the_pool_are_given(tmp_path: Path) -> None:
    browser = board_page(tmp_path)
    for name in ("a" * 64, "../../concept.json", "%2e%2e%2fconcept.json", "concept.json"):
        assert browser.client.get(f"{AT}/pictures/small/{name}").status_code in (400, 404)
    for name in ("%2e%2e%2fconcepts", "no-such-concept", ".deleted-x"):
        assert browser.client.get(f"/concepts/{name}").status_code in (400, 404)


def test_a_form_with_a_strange_picture_or_value_changes_nothing(tmp_path: Path) -> None:
    browser = board_page(tmp_path)
    token, turn = browser.hidden("form_token"), browser.hidden("turn")
    blind = next(iter(browser.at.concept.blind))
    before = browser.at.concept
    for form, said in (
        ("label", {"image": "f" * 64, "value": "in"}),
        ("label", {"image": blind, "value": "in"}),
        ("label", {"image": browser.hidden("image"), "value": "maybe"}),
        ("label", {"image": browser.hidden("image"), "value": "in", "form_token": "x"}),
        ("blind", {"image": browser.hidden("image"), "value": "in"}),
        ("offer", {"accept": "yes"}),
        ("verdicts", {}),
        ("response", {"image": blind, "kind": "reason"}),
        ("manage/delete", {}),
        ("definition", {"version": "1", "clause": ["c1"], "role": [], "text": []}),
    ):
        browser.send(form, **({"form_token": token, "turn": turn} | said))
    assert browser.at.concept == before
    assert "Board 1: 0 of" in browser.open()


def test_a_blind_label_is_noted_at_once_and_can_be_changed(tmp_path: Path) -> None:
    browser = question_page(tmp_path)
    page = browser.open(f"{AT}/blind")
    assert "clause" not in page.replace("clauses", ""), "pictures and nothing else"
    image = browser.hidden("image") or ""
    browser.send("blind", image=image, value="in")
    browser.send("blind", image=image, value="in")
    assert [label.value for label in browser.at.concept.labels] == ["in"]
    browser.open(f"{AT}/blind?picture={image}")
    browser.send("blind", image=browser.hidden("image"), value="out")
    assert [label.value for label in browser.at.concept.labels] == ["in", "out"]
    assert f'action="{AT}/answer"' in browser.open(), "the conversation is where it was"


def test_the_rest_of_a_blind_test_is_left_after_some_of_it_was_labelled(tmp_path: Path) -> None:
    browser = visit(tmp_path)
    browser.at.owner.leave_at = ["blind"]
    left = talk(browser.at)
    assert left.pending is not None
    browser.open(f"{AT}/blind")
    browser.send("blind", image=browser.hidden("image"), value="in")
    browser.send("blind/later", turn=left.pending.turn)
    assert browser.heading == "The conversation is over"
    assert sum(label.split == "blind" for label in browser.at.concept.labels) == 1
