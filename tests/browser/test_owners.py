"""Two owners by script, through clicks and keys alone: one has a hidden rule, the other one is clumsy."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fieldmark.app.concepts.classifier import ConceptClassifier
from fieldmark.app.jobs.job import JOBS, Job
from fieldmark.app.jobs.tasks import TalkTask
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.aviary.world.conditions import HABITAT, LIGHT
from fieldmark.aviary.world.flock import read_flock
from fieldmark.evals.owners.owner import PictureTruth, SimulatedOwner
from fieldmark.evals.owners.rules import RULE_BY_KEY
from fieldmark.evals.owners.world import APART
from fieldmark.records import Concept, Decision
from fieldmark.tools.concepts.changes import blind_labels, dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.statistics import agreement
from tests.command_line import CommandLine

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, Route

if TYPE_CHECKING:
    from tests.browser.page_owner import PageOwner

RULE = RULE_BY_KEY["striped"]
POOL, HELD_OUT, ANNOTATE, BOARDS, LABELS, BLIND = 200, 50, 50, 2, 10, 4
PATIENCE_S = 150
"""A page that does not come within it does not come: a machine is busy, but not that busy."""
ONE_PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00"
    b"\x02\x02D\x01\x00;"
)


@dataclass
class Flock:
    """A studio over a small flock, and what a simulation of the same owner came to.

    Attributes:
        address: Where it answers.
        place: Where its commands run.
        pool: Pictures to talk about.
        held_out: Pictures to measure on.
        scene: What all of them show.
        simulated: The owner's result of `fieldmark concept simulate`.
    """

    address: str
    place: CommandLine
    pool: Path
    held_out: Path
    scene: PictureTruth
    simulated: dict[str, Any] = field(repr=False)

    def concept(self, name: str) -> Concept:
        """A concept as it is now."""
        return ConceptFolder(self.place.home / "concepts" / slug_of(name)).load()

    def owner(self, page: Page) -> "PageOwner":
        """Somebody with the hidden rule at a browser."""
        from tests.browser.page_owner import PageOwner

        return PageOwner(page, SimulatedOwner(RULE, self.scene), most=LABELS, patience_s=PATIENCE_S)


@pytest.fixture(scope="module")
def flock(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flock]:
    """See `Flock`; the simulation draws and encodes the pictures."""
    from tests.browser.studio import served

    folder = tmp_path_factory.mktemp("flock")
    place = CommandLine(folder, folder / "home", {})
    done = place.invoke(  # before there is a browser, which has an event loop in this thread
        *("concept", "simulate", "--owners", RULE.key, "--pool", POOL, "--held-out", HELD_OUT),
        *("--annotate", ANNOTATE, "--boards", BOARDS, "--controls", "none", "--workers", 1, "--json"),
    )
    assert done.code == 0, done.err
    drawn = place.home / "aviary"
    pool, held_out = drawn / f"kinds-0-{POOL}", drawn / f"kinds-{APART}-{HELD_OUT}"
    scene = {
        sha256((each / bird.file).read_bytes()).hexdigest(): {
            **bird.marks, HABITAT: bird.habitat, LIGHT: bird.light,
        }
        for each in (pool, held_out)
        for bird in read_flock(each)
    }  # fmt: skip
    sight = Sight(Gallery.of_folders([pool, held_out]), SightSettings())
    with GuideServer(Guide((), sight=sight)) as guide:
        models = {
            "OPENAI_BASE_URL": guide.base_url, "OPENAI_API_KEY": "none",
            "FIELDMARK_LLM": guide.model, "FIELDMARK_CLIP": "aviary",
        }  # fmt: skip
        place = CommandLine(folder, folder / "home", models)
        with served(place) as address:
            (owner,) = done.json["owners"]
            yield Flock(address, place, pool, held_out, PictureTruth(scene), owner)
        for job in (place.home / "concepts").glob(f"*/{JOBS}/{TalkTask.KIND}"):
            Job(job).cancel()  # it would wait ten minutes for the next answer, with all that it has loaded


@pytest.fixture
def tab(browser: Browser, flock: Flock) -> Iterator[Page]:
    """A small window without pictures: these owners know them by the hash in their address."""

    def blank(route: Route) -> None:
        route.fulfill(body=ONE_PIXEL, content_type="image/gif")

    visitor = browser.new_context(
        base_url=flock.address, viewport={"width": 640, "height": 480}, reduced_motion="reduce"
    )
    visitor.set_default_timeout(1000 * PATIENCE_S)
    visitor.route("**/pictures/**", blank)
    yield visitor.new_page()
    visitor.close()


def test_an_owner_with_a_hidden_rule_comes_as_far_as_the_simulation(
    flock: Flock, tab: Page, tmp_path: Path
) -> None:
    """The same owner, pictures, draws and answers: by clicks it is the same classifier."""
    owner = flock.owner(tab)
    owner.make(RULE.name, RULE.purpose, flock.pool)
    owner.talk()
    assert owner.label_blind(BLIND) == BLIND
    owner.end()
    owner.build(ANNOTATE)
    with zipfile.ZipFile(owner.export(tmp_path / "exported.zip")) as whole:
        whole.extractall(tmp_path / "exported")
    (exported,) = (tmp_path / "exported").iterdir()
    with ConceptClassifier(exported) as classifier:
        said = classifier.predict(flock.held_out).predictions
    concept = flock.concept(RULE.name)
    assert [f"{c.role}: {c.text}" for c in concept.definition.active] == flock.simulated["clauses"]
    assert (owner.boards, len(owner.asked)) == (BOARDS, flock.simulated["questions"])
    assert len(concept.labels) == owner.given + BLIND
    calls = [float(each.label == "in") for each in said]
    truth = [float(RULE.inside(flock.scene.of(each.image_hash))) for each in said]
    f1 = agreement.f1(np.array(truth), np.array(calls), np.ones((1, len(calls))))
    assert float(f1[0]) == pytest.approx(flock.simulated["student_f1"], abs=1e-4)


def test_a_clumsy_owner_loses_nothing_and_is_asked_nothing_twice(flock: Flock, tab: Page) -> None:
    """Reloads, double clicks, two windows, back, and slips that are put right."""
    owner, name = flock.owner(tab), "birds with stripes"
    owner.make(name, RULE.purpose, flock.pool)
    tab.reload()
    owner.waiting()
    owner.make(name, "something else", flock.held_out)
    assert "There is a concept" in tab.inner_text("main")
    tab.get_by_role("link", name="go on with the one that there is").click()
    owner.talk(until=["question"])

    here, words = tab.url, "wings with stripes count"
    other = tab.context.new_page()  # opened now, used too late
    other.goto(here)
    owner.say("9")
    assert "is no answer here" in tab.inner_text("[role=alert]")
    owner.say("wngs with stripes")
    tab.reload()
    tab.go_back()  # it is read back, and not accepted: it never counts
    owner.say(words)
    accept = tab.get_by_role("button", name="Yes, that is my answer")
    with tab.expect_navigation():
        accept.dblclick(no_wait_after=True)
    assert owner.waiting() == "question"
    assert [each.answer for each in asked(flock.concept(name))] == [words]
    with other.expect_navigation():
        other.locator("form.answers button").first.click()
    assert "Nothing was noted" in other.inner_text("[role=alert]")

    owner.talk(until=["board"])
    first = shown(tab)
    other.goto(tab.url)  # without any label yet
    with tab.expect_navigation():
        tab.locator("button[value=out]").dblclick(no_wait_after=True)
    tab.wait_for_load_state()
    second = shown(tab)
    assert second != first, "one label, not two"
    tab.reload()
    assert shown(tab) == second
    with tab.expect_navigation():
        tab.keyboard.press("u")
    assert shown(tab) == first
    with other.expect_navigation():
        other.keyboard.press("?")
    tab.go_back()
    tab.goto(here)
    assert shown(tab) == second, "what the other window said counts"
    with tab.expect_navigation():
        tab.keyboard.press("u")
    owner.talk(until=["verdicts"])
    with tab.expect_navigation():
        tab.get_by_role("button", name="Go on").dblclick(no_wait_after=True)
    owner.most = 1
    owner.talk()

    owner.label_blind(1)
    with tab.expect_navigation():
        tab.keyboard.press("u")
    again = tab.locator(".alone img").get_attribute("src") or ""
    with tab.expect_navigation():
        tab.locator("button[value=unsure]").dblclick(no_wait_after=True)
    concept = flock.concept(name)
    questions = [each.question for each in asked(concept)]
    assert len(set(questions)) == len(questions) == len(owner.asked) + 1
    labels = {image: label.value for image, label in dev_labels(concept).items()}
    assert len(labels) == owner.given
    assert labels == {image: "in" if RULE.inside(flock.scene.of(image)) else "out" for image in labels}
    assert [each.kind for each in concept.decisions].count("board") == 1
    ((image, label),) = blind_labels(concept).items()
    assert image in again
    assert label.value == "unsure"


def asked(concept: Concept) -> list[Decision]:
    """The questions that were answered."""
    return [each for each in concept.decisions if each.kind == "scope"]


def shown(page: Page) -> str | None:
    """The picture of a board that is large."""
    return page.locator("form.answers [name=image]").get_attribute("value")
