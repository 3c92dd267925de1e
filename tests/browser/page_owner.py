"""Somebody at a browser who talks about a concept, by clicks and keys alone.

What the page says is all that they know: its questions, its words, its pictures by the hash in their
address. What they answer is for an `Owner` to say, such as a simulated one with a hidden rule.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Locator, Page

from fieldmark.agents.define.run import Owner
from fieldmark.records import Clause, DefinitionEdit
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    EditOffer,
    Flip,
    LabelReply,
    OfferReply,
    RevealedImage,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)

KEYS = {"in": "i", "out": "o", "unsure": "?"}
ROLES = {"must hold": "necessary", "is enough": "positive", "may not hold": "negative"}
A_HASH = re.compile(r"[0-9a-f]{64}")
BUILT = "See what it is worth"
TURN = "read off a page"
R = TypeVar("R")


def hash_in(place: Locator) -> str:
    """The hash of the picture that an image element shows."""
    found = A_HASH.search(place.get_attribute("src") or "")
    assert found is not None
    return found[0]


@dataclass
class PageOwner:
    """Somebody at a browser.

    Attributes:
        page: The tab.
        owner: Who knows what to answer.
        most: Labels outside of the blind test after which no further board is begun.
        patience_s: How long to wait for a page, in seconds; a build is one.
        given: Labels given on boards so far.
        boards: Boards labelled so far.
        asked: Questions answered so far, in the page's words.
    """

    page: Page
    owner: Owner
    most: int = 74
    patience_s: float = 900
    given: int = 0
    boards: int = 0
    asked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * self.patience_s)

    def make(self, name: str, about: str, pictures: Path) -> None:
        """Begin a concept on the page for new ones."""
        self.page.goto("/new-concept")
        self.page.locator("[name=called]").fill(name)
        self.page.locator("[name=about]").fill(about)
        self.page.locator("[name=folder]").fill(str(pictures))
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Take the pictures in").click()

    def talk(self, until: Collection[str] = ("blind", "over")) -> None:
        """Answer all that is asked until one of these waits; where none is named, until no board follows."""
        while (waits := self.waiting()) not in until:
            match waits:
                case "begin":
                    self._press("Enter")
                case "question":
                    self._answer()
                case "board" if self.given >= self.most:
                    self._click("End the conversation here")
                case "board":
                    self._label_board()
                case "verdicts":
                    self._respond()
                case _:
                    self._decide()

    def label_blind(self, most: int = 1000) -> int:
        """Label pictures of the blind test, each as it is shown; how many were."""
        labelled = 0
        self._follow("a[href$='/blind']") if self.waiting() != "blind" else None
        while labelled < most and self.page.locator(".alone img").count():
            image = hash_in(self.page.locator(".alone img"))
            reply = self._reply(BlindBatch(turn=TURN, images=(image,), done=0, of=1), LabelReply)
            self._press(KEYS[reply.labels[0].value])
            labelled += 1
        return labelled

    def end(self) -> None:
        """End the conversation on the page of the blind test, whatever of it is left."""
        left = self.page.get_by_role("button", name="Leave the rest for another day")
        with self.page.expect_navigation():
            left.or_(self.page.get_by_role("button", name="End the conversation")).first.click()
        assert self.waiting() == "over"

    def build(self, annotate: int) -> None:
        """Have the classifier built, with so many pictures judged."""
        self._follow("aside a[href$='/build']")
        self.page.locator("summary", has_text="How much it may look at").click()
        self.page.locator("[name=annotate]").fill(str(annotate))
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Build").click()
        self.page.get_by_text(BUILT).wait_for()

    def measure(self) -> None:
        """Look at the blind test, once."""
        self._follow(".tabs a[href$='/results']")
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Look now, once").click()
        self.page.locator("p.worth").wait_for()

    def export(self, to: Path) -> Path:
        """Download the classifier, from the page of its results."""
        self._follow(".tabs a[href$='/results']")
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Download (zip)").click()
        download.value.save_as(to)
        return to

    def waiting(self) -> str:
        """What waits for an answer, once the page shows it; pages of which nothing waits load themselves."""
        signs = {
            "question": "h1.asked",
            "board": "ol.strip",
            "verdicts": "form[action$='/verdicts']",
            "offer": "form[action$='/offer']",
            "blind": ".alone, form[action$='/blind/later'], h1:text('The blind test is complete')",
            "over": "h1:text('The conversation is over')",
            "begin": "form[action$='/on'] button.main",
        }
        self.page.locator(", ".join(signs.values())).first.wait_for()
        self.page.wait_for_load_state()  # a key that is pressed before says nothing
        return next(name for name, sign in signs.items() if self.page.locator(sign).count())

    def _answer(self) -> None:
        question = self.page.locator("h1.asked").inner_text()
        buttons = self.page.locator("form.answers button[data-key]")
        options = tuple(each.get_attribute("value") or "" for each in buttons.all())
        self.asked += (question,)
        answer = self._reply(ScopeQuestion(turn=TURN, question=question, options=options), ScopeReply).answer
        if answer in options:
            self._press(str(options.index(answer) + 1))
        elif not answer:
            self._click("Skip this question")
        else:
            self.say(answer)
            self._click("Yes, that is my answer")

    def say(self, words: str) -> None:
        """Type words of one's own, which the page reads back."""
        self.page.locator("[name=said]").fill(words)
        with self.page.expect_navigation():
            self.page.locator("[name=said]").press("Enter")

    def _label_board(self) -> None:
        while self.page.locator(".large img").count():
            image = hash_in(self.page.locator(".large img"))
            reply = self._reply(BoardToLabel(turn=TURN, images=(image,)), LabelReply)
            self._press(KEYS[reply.labels[0].value])
        self.given += self.page.locator("ol.strip li").count()
        self.boards += 1
        self._press("Enter")

    def _respond(self) -> None:
        shown = [
            RevealedImage(
                image=hash_in(each.locator("img")),
                owner="in" if said == "in" else "out",
                call="out" if said == "in" else "in",
            )
            for each in self.page.locator("article.differ").all()
            for said in [(each.locator("h2 .label").first.get_attribute("class") or "").split()[-1]]
        ]
        question = VerdictReveal(turn=TURN, number=1, ambiguity="", images=tuple(shown), clauses=())
        for said in self._reply(question, RevealReply).responses:
            article = self.page.locator(f"#picture-{said.image[:12]}")
            article.locator("[name=reason]").fill(said.reason)
            name = {"reason": "My label is right", "model_wrong": "The model misread the picture"}.get(
                said.kind, f"I change my label to {said.value}"
            )
            article.get_by_role("button", name=name).click()
            article.locator(".noted").wait_for()
        self._click("Go on")

    def _decide(self) -> None:
        lines = (*self._side("Before", "-"), *self._side("After", "+"))
        flips = [self._flip(each) for each in self.page.locator("li.flip").all()]
        offer = EditOffer(
            turn=TURN,
            edit=DefinitionEdit(kind="add", clause=Clause(id="c1", role="necessary", text=TURN), why=""),
            diff=lines,
            flips=tuple(flips),
            f1_before=None,
            f1_after=None,
        )  # fmt: skip
        self._click("Accept" if self._reply(offer, OfferReply).accept else "Decline")

    def _side(self, name: str, sign: str) -> tuple[str, ...]:
        """The clauses on one side, as a line of a difference is written."""
        found: list[str] = []
        for each in self.page.locator(f"section[aria-label={name}] li").all():
            changed = "changed-line" in (each.get_attribute("class") or "")
            if changed or sign == "+":  # those that stay stand on both sides
                role = ROLES[each.locator(".quiet").inner_text()]
                found.append(f"{sign if changed else ' '} {role}: {each.locator('bdi').inner_text()}")
        return tuple(found)

    def _flip(self, tile: Locator) -> Flip:
        before, after = tile.locator(".what").inner_text().split(" → ")
        said: Any = (tile.locator(".label").get_attribute("class") or "").split()[-1]
        values: Any = {"before": before.strip(), "after": after.strip()}
        return Flip(image=hash_in(tile.locator("img")), owner=said, **values)

    def _reply(self, question: Any, kind: type[R]) -> R:
        # Not `asyncio.run`: the browser's event loop runs in this thread.
        coroutine: Any = self.owner.answer(question)
        try:
            coroutine.send(None)
        except StopIteration as done:
            assert isinstance(done.value, kind)
            return done.value
        raise AssertionError("an owner who waits for something cannot be asked here")

    def _press(self, key: str) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def _click(self, button: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button, exact=True).click()

    def _follow(self, link: str) -> None:
        with self.page.expect_navigation():
            self.page.locator(link).first.click()
