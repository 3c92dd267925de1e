"""A studio with a run of drawn birds, and a real browser without any network but loopback.

Debian's Chromium is used as it is found; nothing is downloaded.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.world.dataset import read_truth
from fieldmark.tools.runs.folder import RunFolder
from tests.command_line import CommandLine, guide_script
from tests.e2e.classifying import MODEL, SPECIES, at, draw_birds
from tests.faulty_endpoint import FaultyEndpoint
from tests.unit.studio.results_to_show import made_search, made_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.browser.studio import Studio, Watched

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
IMAGES = 5


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests, which need a browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is, or a skipped test that says what is missing."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")  # no longer: while it runs, there is an event loop in this thread
def browser(chromium: str) -> "Iterator[Browser]":
    """A browser for the tests of a file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # A container has no user namespaces, and often little shared memory.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def studio(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Studio]":
    """A studio beside a scripted guide, with one run that the tests copy."""
    from tests.browser.concepts import made_concepts
    from tests.browser.studio import Studio, served

    folder = tmp_path_factory.mktemp("studio")
    birds = draw_birds(tmp_path_factory, species=SPECIES, images=IMAGES)
    guide = Guide(read_truth(birds)[0])
    with FaultyEndpoint([guide_script(guide)], models=[{"id": MODEL}]) as endpoint:
        place = at(endpoint, CommandLine(folder, folder / "home", {}))
        said = place.run(  # in a process of its own: a browser has an event loop in this one
            *("classify", birds, "--classes", birds / "classes.txt"),
            *("--rule", "evidence", "--max-rounds", 1, "--json"),
        )
        assert said.code == 0, said.err
        run = RunFolder(folder / said.json["run"])
        truth = {p.image_hash: Path(p.image).parent.name for p in run.read_predictions()}
        search, table = made_search(folder), made_table(folder)
        with served(place) as address:
            yield Studio(address, place, truth, run, search, table, made_concepts(folder))


@pytest.fixture
def run(studio: "Studio") -> RunFolder:
    """A finished run with images to label, for this test alone."""
    return studio.run()


@pytest.fixture
def watched(studio: "Studio") -> "Iterator[Watched]":
    """What the browser does in this test; afterwards, that it asked nobody else and complained of nothing."""
    from tests.browser.studio import Watched

    watched = Watched(studio.address.split("/")[2])
    yield watched
    assert watched.outside == []
    assert watched.complaints == []


@pytest.fixture
def visitor(browser: "Browser", studio: "Studio", watched: "Watched") -> "Iterator[BrowserContext]":
    """A visitor of the studio; each tab of theirs is watched."""
    options: dict[str, Any] = {"base_url": studio.address, "reduced_motion": "reduce"}
    context = browser.new_context(**options)
    context.set_default_timeout(30_000)
    context.on("page", watched.follow)
    yield context
    context.close()


@pytest.fixture
def page(visitor: "BrowserContext") -> "Page":
    """A tab at the first page."""
    page = visitor.new_page()
    page.goto("/")
    return page
