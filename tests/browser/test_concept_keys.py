"""What Enter, Space and a second click do on the pages of a concept."""

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Page

if TYPE_CHECKING:
    from tests.browser.studio import Studio


def note_forms(page: Page) -> None:
    """Have the page note the forms that would be sent, and send none."""
    page.evaluate(
        """() => {
          window.sent = [];
          document.addEventListener("submit", (event) => {
            if (!event.defaultPrevented) window.sent.push(event.target.getAttribute("action"));
            event.preventDefault();
          });
        }"""
    )


def sent(page: Page) -> list[str]:
    """The actions of the forms that would have been sent."""
    return page.evaluate("window.sent")


@pytest.mark.parametrize(
    ("screen", "fields"),
    [("offer", ("words", "reason")), ("reveal", ("reason", "clause"))],
)
def test_enter_in_a_field_decides_nothing(
    studio: "Studio", page: Page, screen: str, fields: tuple[str, ...]
) -> None:
    page.goto(f"/concepts/{studio.concepts[screen]}")
    note_forms(page)
    for field in fields:
        page.locator(f"[name={field}]").first.press("Enter")
    assert sent(page) == []
    assert page.locator("button[disabled]:visible").count() == 0
    page.locator("form.fields button:visible").first.click()
    assert len(sent(page)) == 1, "a click decides"


def test_what_has_the_focus_is_pressed_and_nothing_else(studio: "Studio", page: Page) -> None:
    page.goto(f"/concepts/{studio.concepts['board']}")
    here = page.url
    note_forms(page)
    page.locator("button[value=out]").first.press(" ")
    assert [each.rpartition("/")[2] for each in sent(page)] == ["label"]
    assert page.url == here, "not made larger"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    page.wait_for_url("**zoom=yes**")


def test_a_file_can_be_had_twice_and_nothing_else_is_sent_twice(studio: "Studio", page: Page) -> None:
    page.goto(f"/concepts/{studio.concepts['built']}/results")
    note_forms(page)
    for _ in range(2):
        page.get_by_role("button", name="Download (zip)").click()
    assert len(sent(page)) == 2
    page.goto(f"/concepts/{studio.concepts['offer']}")
    note_forms(page)
    for _ in range(2):
        page.get_by_role("button", name="Accept").click()
    assert len(sent(page)) == 1


def test_a_refused_form_is_filled_in_again_and_a_reload_sends_nothing(studio: "Studio", page: Page) -> None:
    """The page of its own address; what no form takes stays listed."""
    page.goto(f"/concepts/{studio.concepts['built']}/results")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.fill("[name=to]", "my own place")
    page.get_by_role("button", name="Export", exact=True).click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    page.wait_for_load_state()  # a script fills the form in again
    assert "is no full path" in alert.inner_text()
    for _ in range(2):
        assert page.input_value("[name=to]") == "my own place"
        assert page.locator("[data-written]").count() == 0
        page.reload()
    assert len(sent) == 1
    page.goto(f"/concepts/{studio.concepts['built']}/definition")
    page.locator("[name=text]").first.fill("It has spots.")
    page.locator("[name=new_text]").fill("my own clause")
    page.locator("[name=drop]").last.check()
    page.locator("[name=version]").first.evaluate("each => { each.value = 1; }")  # as in an old tab
    page.locator(".clauses-form button").first.click()
    alert.wait_for()
    page.wait_for_load_state()  # a script fills the form in again
    assert "my own clause" in alert.inner_text(), "the form is that of another version by now"
    page.goto(f"/concepts/{studio.concepts['built']}/definition")
    page.locator(".clauses-form [name=why]").evaluate("each => { each.maxLength = 9999; }")
    page.locator("[name=text]").first.fill("It has spots.")
    page.locator("[name=drop]").last.check()
    page.locator(".clauses-form [name=why]").fill("long " * 900)
    page.locator(".clauses-form button").first.click()
    alert.wait_for()
    page.wait_for_load_state()  # a script fills the form in again
    assert page.input_value("[name=text] >> nth=0") == "It has spots."
    assert page.locator("[name=drop]").last.is_checked()


def test_a_label_and_a_version_are_changed_and_changed_back(studio: "Studio", page: Page) -> None:
    here = f"/concepts/{studio.concepts['built']}/history"
    page.goto(here)
    page.locator("#labels ~ ul.tiles a.tile").first.click()
    page.wait_for_url("**/labels/*")
    said = page.inner_text("h1 .call")
    page.keyboard.press("?")
    page.get_by_text("the one before is kept behind it").wait_for()
    assert page.inner_text("h1 .call") == "unsure"
    page.locator(f"button[name=value][value={said}]").click()
    page.locator("h1 .call", has_text=said).wait_for()
    assert page.locator(".log li").count() == 3
    page.goto(here)
    for number in (1, 2):
        page.get_by_role("button", name=f"Go back to version {number}").click()
        page.locator("h3", has_text=f"Version {number} in force").wait_for()
    assert page.locator(".versions h3").count() == 2
