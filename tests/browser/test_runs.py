"""A run of `classify` in a real browser: labelled by keys, scored anew, and taken away as tables."""

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import read_given

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import BrowserContext, Page, expect

if TYPE_CHECKING:
    from tests.browser.studio import Studio

AN_IMAGE = re.compile(r"/images/([0-9a-f]{64})")


def hash_of(page: Page) -> str:
    found = AN_IMAGE.search(page.url)
    assert found is not None
    return found[1]


def key_for(page: Page, species: str) -> str:
    """The key of the button that says so; the class is offered, or else the image is of none."""
    button = page.locator(f'button[name=label][value="{species}"]')
    return (button.get_attribute("data-key") if button.count() else None) or "n"


def said_of(studio: "Studio", run: RunFolder) -> dict[str, tuple[str, str | None]]:
    given = read_given(run, tuple(sorted(set(studio.truth.values()))))
    return {each.image_hash: (each.answer, each.label) for each in given}


def test_images_are_labelled_by_keys_and_the_run_is_scored_anew(
    studio: "Studio", run: RunFolder, page: Page, tmp_path: Path
) -> None:
    page.goto(f"/runs/{run.run_id}")
    assert page.locator(".tiles li").count() == len(studio.truth)
    expect(page.locator(".tiles img").first).to_have_js_property("complete", True)
    assert page.locator(".tiles img").first.evaluate("each => each.naturalWidth") > 0
    page.get_by_role("link", name=re.compile("Label these")).click()
    page.wait_for_url("**/asked")
    asked = page.locator(".tiles li").count()
    page.get_by_role("link", name="Begin").click()
    page.wait_for_url("**/images/**")
    given: dict[str, str] = {}
    while "/images/" in page.url:
        image = hash_of(page)
        key = key_for(page, studio.truth[image])
        given[image] = studio.truth[image] if key != "n" else "none of these"
        with page.expect_navigation():
            page.keyboard.press(key)
    assert len(given) == asked
    said = said_of(studio, run)
    assert {image: label or answer for image, (answer, label) in said.items()} == given
    page.get_by_role("button", name=re.compile("Score anew")).click()
    page.wait_for_url(re.compile(rf"/runs/{run.run_id}$"), timeout=200_000)
    assert "You gave labels since" not in page.inner_text("main")
    with page.expect_download() as download:
        page.get_by_role("link", name="Corrected labels").click()
    download.value.save_as(tmp_path / "labels.csv")
    rows = list(csv.DictReader((tmp_path / "labels.csv").open(encoding="utf-8")))
    assert len(rows) == len(studio.truth)
    people = {row["image_hash"]: row["label"] or row["answer"] for row in rows if row["given_by"] == "person"}
    assert people == given


def test_a_clumsy_visitor_loses_nothing(
    studio: "Studio", run: RunFolder, visitor: BrowserContext, page: Page
) -> None:
    """Reloads, double clicks, two tabs, back, and a label changed twice."""
    page.goto(f"/runs/{run.run_id}/asked/next")
    first = hash_of(page)
    choice = page.locator("button[name=label]").first
    species = choice.get_attribute("value")
    with page.expect_navigation():
        choice.dblclick(no_wait_after=True)
    page.wait_for_load_state()
    second = hash_of(page)
    assert second != first
    assert said_of(studio, run) == {first: ("class", species)}
    page.reload()
    assert hash_of(page) == second
    page.go_back()
    assert hash_of(page) == first
    page.go_forward()
    other = visitor.new_page()  # opened before the first tab says something, used after it
    other.goto(page.url)
    with page.expect_navigation():
        page.keyboard.press("?")
    third = hash_of(page)
    with other.expect_navigation():
        other.keyboard.press("n")
    assert said_of(studio, run) == {first: ("class", species), second: ("none of these", None)}
    assert hash_of(other) == third
    page.go_back()  # to the second image, whose form still works
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile(first))
    with page.expect_navigation():
        page.keyboard.press("n")
    assert said_of(studio, run) == {first: ("none of these", None), second: ("none of these", None)}
    page.goto(f"/runs/{run.run_id}/images/{second}")
    with page.expect_navigation():
        page.keyboard.press("u")
    assert said_of(studio, run) == {first: ("none of these", None)}
    page.go_back()
    lines = (run.path / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 5  # all that was said is kept
