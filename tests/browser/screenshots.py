"""Takes the pictures of docs/studio.md: walks the studio's demo in Chromium, from the first page to a board.

python -m tests.browser.screenshots [FOLDER]
"""

import io
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import BROWSERS
from tests.browser.studio import served
from tests.command_line import CommandLine

PATIENCE_S = 900
SIZE = {"width": 1280, "height": 800}
COLOURS = 160
"""Of a picture's palette: pages are mostly plain, and files stay small."""


def take(page: Page, to: Path, name: str) -> None:
    """Write what the window shows as `studio-NAME.png`."""
    page.wait_for_load_state("networkidle")
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    few = shown.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(to / f"studio-{name}.png", optimize=True)


def wait_for(page: Page, there: Callable[[], bool]) -> None:
    """Load a page again until it shows something."""
    until = time.monotonic() + PATIENCE_S
    while not there():
        if time.monotonic() > until:
            raise TimeoutError(page.inner_text("main"))
        page.wait_for_timeout(1000)
        page.reload()


def walk_runs(page: Page, to: Path) -> None:
    """The demo's run: all images, one of them, the confused classes."""
    page.goto("/")
    wait_for(page, lambda: page.get_by_role("link", name="Give them").count() > 0)
    take(page, to, "home")
    run = re.search(r"/runs/[^/\"]+classify[^/\"?]+", page.content())
    assert run is not None
    page.goto(run[0])
    take(page, to, "gallery")
    page.goto(f"{run[0]}/confused")
    take(page, to, "confused")
    page.goto(f"{run[0]}/asked/next")
    take(page, to, "image")


def walk_concept(page: Page, to: Path) -> None:
    """A new concept up to its first board: the first offered answer to each question."""
    page.goto("/new-concept")
    take(page, to, "new")
    with page.expect_navigation():
        page.get_by_role("button", name="Take the pictures in").click()
    begin = page.locator("form[action$='/on'] button.main")
    asked = page.locator("form.answers button[name=answer]")
    board = page.locator("form.answers button[name=value]")
    taken = False
    while not board.count():
        # Pages that wait load themselves anew.
        begin.or_(asked).or_(board).first.wait_for(timeout=1000 * PATIENCE_S)
        if asked.count():
            if not taken:
                take(page, to, "question")
                taken = True
            with page.expect_navigation():
                asked.first.click()
        elif begin.count():
            with page.expect_navigation():
                begin.first.click()
    take(page, to, "board")


def main(to: Path) -> None:
    """Start the demo in a folder that goes afterwards, and walk it."""
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        place = CommandLine(Path(folder), Path(folder) / "home", {})
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=found, args=options)
        with served(place, "--demo") as address:
            page = browser.new_page(base_url=address, viewport=SIZE, color_scheme="light")
            walk_concept(page, to)
            walk_runs(page, to)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
