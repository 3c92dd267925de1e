"""What holds for every screen: axe finds nothing, nothing is too wide, Tab reaches everything and is seen."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from fieldmark.tools.runs.labels import read_ask

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Page

if TYPE_CHECKING:
    from tests.browser.studio import Studio, Watched

SCREENS = {
    "home": "/",
    "gallery": "/runs/{run}",
    "gallery of open images": "/runs/{run}?status=open&order=name",
    "confused classes": "/runs/{run}/confused",
    "rename and delete a run": "/runs/{run}/manage",
    "image": "/runs/{run}/images/{image}",
    "images to label": "/runs/{run}/asked",
    "image to label": "/runs/{run}/images/{image}?within=asked",
    "search": "/searches/{search}",
    "table": "/tables/{table}",
    "new concept": "/new-concept",
    "choose a folder": "/folders?root=0",
    "import": "/folders?to=import&root=0",
    "storage": "/storage",
    "question": "/concepts/{scope}",
    "board": "/concepts/{board}",
    "verdicts": "/concepts/{reveal}",
    "edit": "/concepts/{offer}",
    "blind test": "/concepts/{board}/blind",
    "blind test, a few at a time": "/concepts/{board}/blind?view=grid",
    "definition by hand": "/concepts/{board}/definition",
    "build": "/concepts/{built}/build",
    "results": "/concepts/{built}/results",
    "trial": "/concepts/{built}/trial",
    "history": "/concepts/{built}/history",
    "rename and delete": "/concepts/{built}/manage",
    "no such page": "/no/such/page",
    "token": "/enter",
}


def address(studio: "Studio", screen: str) -> str:
    image = read_ask(studio.made)[0].image_hash
    search, table = studio.search.run_id, studio.table.run_id
    return SCREENS[screen].format(
        run=studio.made.run_id, image=image, search=search, table=table, **studio.concepts
    )


@pytest.fixture(scope="module")
def tab(browser: Browser, studio: "Studio") -> Iterator[tuple[Page, "Watched"]]:
    """One tab for all screens: a new visitor takes as long as most of these tests."""
    from tests.browser.studio import Watched

    watched = Watched(studio.address.split("/")[2])
    visitor = browser.new_context(base_url=studio.address, reduced_motion="reduce")
    visitor.on("page", watched.follow)
    yield visitor.new_page(), watched
    visitor.close()


@pytest.fixture
def page(tab: tuple[Page, "Watched"]) -> Iterator[Page]:
    """The tab as a new one would be."""
    page, watched = tab
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light")
    yield page
    outside, complaints = list(watched.outside), list(watched.complaints)
    watched.outside.clear()
    watched.complaints.clear()
    assert (outside, complaints) == ([], [])


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_no_serious_fault(studio: "Studio", page: Page, screen: str) -> None:
    from tests.browser.studio import faults, wider_than_its_window

    found = page.goto(address(studio, screen))
    assert found is not None
    assert found.ok == (screen != "no such page")
    for width, colours in ((1280, "light"), (400, "dark")):  # colours do not hang on the width
        page.set_viewport_size({"width": width, "height": 900})
        assert not wider_than_its_window(page), width
        page.emulate_media(color_scheme=colours)
        assert faults(page) == [], (width, colours)


@pytest.mark.parametrize("screen", SCREENS)
def test_tab_reaches_everything_and_is_seen(studio: "Studio", page: Page, screen: str) -> None:
    from tests.browser.studio import reachable, walk

    page.goto(address(studio, screen))
    assert walk(page) == reachable(page)


def test_axe_would_tell(visitor: BrowserContext) -> None:
    from tests.browser.studio import faults

    page = visitor.new_page()
    page.set_content("<html><body><button></button></body></html>")
    assert any(each.startswith("button-name") for each in faults(page))


def test_pages_are_read_without_a_script(studio: "Studio", visitor: BrowserContext) -> None:
    """Labels are given, too: only the keys need a script."""
    browser = visitor.browser
    assert browser is not None
    plain = browser.new_context(base_url=studio.address, java_script_enabled=False)
    page = plain.new_page()
    run = studio.run()
    page.goto(f"/runs/{run.run_id}/asked/next")
    before = page.url
    page.locator("button[value='none of these']").click()
    assert page.url != before
    assert "1 image labelled by you" in page.goto(f"/runs/{run.run_id}").text()  # type: ignore[union-attr]
    plain.close()
