"""Talks about a concept through the studio's pages, as a browser would: it sees pages, and sends forms."""

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.run import Conversation
from fieldmark.app.event_loop import run_to_end
from fieldmark.studio.access import Access
from fieldmark.studio.application import make_studio
from fieldmark.studio.desk import Desk
from fieldmark.studio.shelf import RunShelf
from fieldmark.studio.talking import Going
from fieldmark.tools.images.small import SmallCopies
from tests.graph.define_world import SMALL, Scene, phrase_of, scene

HERE = "http://127.0.0.1:8765"
NAME = "concept"
AT = f"/concepts/{NAME}"
PATIENCE_S = 60


@dataclass
class Visit:
    """A browser on the pages of one concept.

    Attributes:
        at: The concept, its models, and the owner whose rule is followed.
        client: What sends.
        page: The page that is shown.
        screens: Headings of the screens seen, in order.
    """

    at: Scene
    client: TestClient
    page: str = ""
    screens: list[str] = field(default_factory=list)

    def open(self, path: str = AT) -> str:
        """Open an address, and wait until nothing is being prepared any more."""
        return self._shown(self.client.get(path))

    def send(self, form: str, **said: Any) -> str:
        """Send a form of the page that is shown."""
        hidden = {name: self.hidden(name) for name in ("form_token", "turn")}
        data = {name: value for name, value in {**hidden, **said}.items() if value is not None}
        return self._shown(self.client.post(f"{AT}/{form}", data=data, headers={"origin": HERE}))

    def hidden(self, name: str) -> str | None:
        """A hidden field of the page."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page)
        return unescape(found[1]) if found else None

    @property
    def heading(self) -> str:
        """What the page is about."""
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.page, re.S)
        return unescape(re.sub("<[^>]+>", "", found[1])).strip() if found else ""

    def images(self) -> list[str]:
        """The pictures that the page shows, each once."""
        return list(dict.fromkeys(re.findall(r"/pictures/\w+/([0-9a-f]{64})", self.page)))

    def follow_the_rule(self) -> bool:
        """Do what the owner with the rule would do on this page; False where the conversation rests."""
        owner, heading = self.at.owner, self.heading
        self.screens.append(heading)
        if "/answer" in self.page:
            never = phrase_of(heading) in owner.exceptions
            self.send("answer", answer="never" if never else "yes")
        elif f'action="{AT}/label"' in self.page:
            image = self.hidden("image") or ""
            self.send("label", image=image, value=owner.says(image))
        elif f'action="{AT}/board"' in self.page:
            self.send("board")
        elif f'action="{AT}/verdicts"' in self.page:
            for image in dict.fromkeys(re.findall(r'name="image" value="([0-9a-f]{64})"', self.page)):
                self.send("response", image=image, kind="reason", reason=owner.why(image))
            self.send("verdicts")
        elif f'action="{AT}/offer"' in self.page:
            self.send("offer", accept="no" if "against your label" in self.page else "yes")
        elif f'action="{AT}/blind"' in self.page:
            image = self.hidden("image") or ""
            self.send("blind", image=image, value=owner.says(image))
        elif f'action="{AT}/on"' in self.page and 'name="more"' not in self.page:
            self.send("on")
        else:
            return False
        return True

    def _shown(self, answer: Any) -> str:
        until = time.monotonic() + PATIENCE_S
        while 'http-equiv="refresh"' in answer.text and time.monotonic() < until:
            time.sleep(0.02)
            answer = self.client.get(AT)
        assert answer.status_code < 500, answer.text
        self.page = answer.text
        return self.page


def desk_at(place: Path, options: DefineOptions = SMALL) -> Desk:
    """A desk whose conversations go on with the models of the made-up world."""

    async def go_on(at: Scene) -> None:
        with at.context.folder.writing():
            async with Conversation(at.context) as conversation:
                await conversation.begin()

    class Threads:
        """`Talks` in threads of this process."""

        def __init__(self) -> None:
            self.threads = ThreadPoolExecutor(1)
            self.begun: dict[Path, Future[None]] = {}

        def go_on(self, folder: Path, *, more: bool = False) -> None:
            if not self.going(folder).on:
                at = scene(folder.parent, options)
                self.begun[folder] = self.threads.submit(lambda: run_to_end(go_on(at)))

        def going(self, folder: Path) -> Going:
            known = self.begun.get(folder)
            if known is None or not known.done():
                return Going(on=known is not None)
            return Going(message=str(known.exception() or ""))

    return Desk(
        access=Access(key=b"k" * 32),
        runs=RunShelf(place / "runs"),
        pictures=SmallCopies(place / "small"),
        home=place / "home",
        talking=Threads(),
    )


def visit(place: Path, options: DefineOptions = SMALL) -> Visit:
    """A browser on a concept of the made-up world."""
    at = scene(place / "home" / "concepts", options)
    client = TestClient(make_studio(desk_at(place, options)), base_url=HERE)
    return Visit(at, client)
