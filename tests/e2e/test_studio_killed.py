"""The server of the studio is killed at each of its screens: nothing is lost, and nothing is asked twice."""

import asyncio
import csv
import io
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from fieldmark.agents.define.waiting import read_waiting
from fieldmark.app.concepts.stepwise.blind import BlindTest
from fieldmark.app.jobs.job import Job
from fieldmark.aviary.guide.completions import complete, read_request
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import MODEL_NAME, Guide
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.aviary.world.conditions import HABITAT, LIGHT
from fieldmark.aviary.world.flock import render_flock
from fieldmark.aviary.world.species import species_book
from fieldmark.evals.owners.owner import PictureTruth, SimulatedOwner
from fieldmark.evals.owners.rules import RULE_BY_KEY
from fieldmark.records import Concept
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    EditOffer,
    LabelReply,
    OfferReply,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.concepts.changes import blind_labels, dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.images.image_file import ImageFile
from tests.command_line import CommandLine
from tests.e2e.test_cli_studio import token_of
from tests.e2e.test_studio_build import serve, until
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, json_reply
from tests.unit.studio.results_to_show import made_search, made_table
from tests.unit.studio.studio_runs import CLASSES, made_run

RULE = RULE_BY_KEY["warm"]
BIRDS = 48
SEED = 411
SCREENS = (
    *("home", "new concept", "conversation", "board", "verdicts", "edits", "what hinders the end"),
    *("blind test", "build", "results", "trial", "history", "run", "search and table"),
)


@dataclass
class Walk:
    """Somebody who walks the screens, and a server that is killed at each.

    Attributes:
        line: Where it is served.
        owner: Who knows what to answer.
        screens: Where it was killed so far.
        said: What was labelled on boards, by content hash.
        answers: What was answered to questions, in order.
        blind: What was labelled in the blind test.
    """

    line: CommandLine
    owner: SimulatedOwner
    screens: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    blind: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server, self.visitor = serve(self.line)
        self.token = token_of(self.visitor.get("/new-concept").text)

    @property
    def here(self) -> str:
        return f"/concepts/{self.folder.path.name}"

    @property
    def folder(self) -> ConceptFolder:
        return ConceptFolder(self.line.home / "concepts" / slug_of(RULE.name))

    @property
    def pool(self) -> dict[str, ImageFile]:
        return {image.content_hash: image for image in self.folder.load_pool()}

    @property
    def concept(self) -> Concept:
        return self.folder.load()

    def kill(self) -> None:
        """Kill the server, and start it again where it was; the visitor notices nothing."""
        self._server.send_signal(signal.SIGKILL)
        self._server.wait()
        self._server, _ = serve(self.line, port=self.visitor.base_url.port or 0)

    def at(self, screen: str, path: str) -> str:
        """Kill the server at a screen, and load it again: it is as it was."""
        before = self.visitor.get(path)
        assert before.status_code == 200, before.text
        self.kill()
        after = self.visitor.get(path)
        assert after.text == before.text, screen
        self.screens.append(screen)
        return after.text

    def send(self, form: str, **said: Any) -> str:
        """Send a form with the token of the first page that was loaded, before all the kills."""
        answer = self.visitor.post(form, data={"form_token": self.token, **said})
        assert answer.status_code == 200, answer.text
        return answer.text

    def waits(self) -> ConversationQuestion | None:
        """What waits, once nothing is being prepared any more."""
        until(lambda: 'http-equiv="refresh"' not in self.visitor.get(self.here).text)
        waiting = read_waiting(self.folder)
        return waiting.question if waiting else None

    def talk(self) -> None:
        """Answer what is asked until an edit was decided and one more board was shown, then end it."""
        while (question := self.waits()) is not None and not isinstance(question, BlindBatch):
            reply = asyncio.run(self.owner.answer(question))
            match question, reply:
                case ScopeQuestion(), ScopeReply():
                    self.once("conversation")
                    self.answers.append(reply.answer)
                    self.reply("answer", question, answer=reply.answer)
                case BoardToLabel(), LabelReply() if "edits" in self.screens:
                    assert 'class="hinders"' in self.once("what hinders the end")
                    self.reply("board", question, stop="yes")
                case BoardToLabel(), LabelReply():
                    for label in reply.labels:
                        self.reply("label", question, image=label.image, value=label.value)
                        self.said[label.image] = label.value
                        self.once("board")
                    self.reply("board", question)
                case VerdictReveal(), RevealReply():
                    for each in reply.responses:
                        said = {"change": each.value} if each.kind == "relabel" else {"kind": each.kind}
                        self.reply("response", question, image=each.image, reason=each.reason, **said)
                        self.once("verdicts")
                    self.reply("verdicts", question)
                case EditOffer(), OfferReply():
                    self.once("edits")
                    self.reply("offer", question, accept="yes" if reply.accept else "no")
                case _:
                    raise AssertionError(question)

    def reply(self, form: str, question: ConversationQuestion, **said: Any) -> None:
        self.send(f"{self.here}/{form}", turn=question.turn, **said)

    def over(self, kind: str) -> None:
        """Wait for a job of the concept."""
        job = Job.of(self.folder.path, kind)
        until(lambda: job.status is not None and not job.status.running)
        assert job.status is not None
        assert (job.status.state, job.status.message) == ("ended", "")

    def close(self) -> None:
        self._server.send_signal(signal.SIGKILL)
        self._server.wait()
        for started in self.folder.path.glob("jobs/*/started.json"):
            job = Job.of(self.folder.path, started.parent.name)
            if job.status is not None and job.status.running:
                os.killpg(json.loads(started.read_text())["pid"], signal.SIGKILL)

    def once(self, screen: str) -> str:
        """Kill the server the first time that such a screen of the conversation is there."""
        return self.at(screen, self.here) if screen not in self.screens else ""


def seeing(guide: Guide) -> Callable[[Received], Reply]:
    """The guide as a script for the endpoint, pictures included."""

    def answer(request: Received) -> Reply:
        return json_reply(complete(read_request(json.dumps(request.body).encode()), guide))

    return answer


@pytest.fixture
def asking(command_line: CommandLine) -> Iterator[tuple[Walk, FaultyEndpoint]]:
    """A flock, and the guide that knows it behind an endpoint that counts."""
    place = command_line.folder
    truths = render_flock(place / "flock", BIRDS, seed=SEED, kind_share=1.0)
    shown = {each.file: each.marks | {HABITAT: each.habitat, LIGHT: each.light} for each in truths}
    values = {sha256((place / "flock" / name).read_bytes()).hexdigest(): each for name, each in shown.items()}
    sight = Sight(Gallery.of_folders([place / "flock"]), SightSettings())
    guide = Guide(species_book(SEED, new=3, known=0), sight=sight)
    with FaultyEndpoint([seeing(guide)], models=[{"id": MODEL_NAME}]) as endpoint:
        more = {
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_KEY": "none",
            "FIELDMARK_LLM": MODEL_NAME,
            "FIELDMARK_CLIP": "aviary",
        }
        line = CommandLine(place, command_line.home, more)
        walk = Walk(line, SimulatedOwner(RULE, PictureTruth(values)))
        yield walk, endpoint
        walk.close()


def test_a_server_that_is_killed_at_each_screen_loses_nothing_and_asks_nothing_twice(
    asking: tuple[Walk, FaultyEndpoint],
) -> None:
    walk, endpoint = asking
    place = walk.line.folder
    run = made_run(place / "runs", place / "pictures")
    search, table = made_search(place), made_table(place)

    walk.at("home", "/")
    walk.at("new concept", "/new-concept")
    said = {"called": RULE.name, "about": RULE.purpose, "folder": str(place / "flock"), "balance": "1"}
    walk.send("/new-concept/uploads", **said)
    walk.kill()  # while the pictures are being taken in
    assert walk.waits() is None
    walk.send(f"{walk.here}/on")
    walk.talk()

    while (image := BlindTest.of_concept(walk.concept, walk.pool).next_image) is not None:
        walk.blind[image] = walk.owner.label_of(image)
        walk.send(f"{walk.here}/blind", image=image, value=walk.blind[image])
        if len(walk.blind) == 3:
            assert f"3 of {len(walk.concept.blind)}" in walk.at("blind test", f"{walk.here}/blind")

    walk.send(f"{walk.here}/build", annotate=20, rounds=0, debates=2)
    walk.kill()  # while it is being built
    walk.over("build")
    assert "See what it is worth" in walk.at("build", f"{walk.here}/build")
    walk.send(f"{walk.here}/results/measure", version=walk.concept.current)
    walk.over("evaluate")
    assert "Measured once" in walk.at("results", f"{walk.here}/results?threshold=0.3")

    photographs = sorted((place / "flock").glob("*.jpg"))[:2]
    sent = [("photographs", (path.name, path.read_bytes())) for path in photographs]
    walk.visitor.post(f"{walk.here}/trial/uploads", data={"form_token": walk.token}, files=sent)
    walk.over("predict")
    assert "2 photographs:" in walk.at("trial", f"{walk.here}/trial")

    changed, value = next(iter(walk.said.items()))
    walk.said[changed] = "unsure"
    walk.send(f"{walk.here}/history/labels/{changed}", value="unsure", why=f"not {value}, after all")
    walk.at("history", f"{walk.here}/history")

    first = next(run.read_predictions()).image_hash
    walk.send(f"/runs/{run.run_id}/images/{first}", label=CLASSES[1])
    assert "1 image labelled by you" in walk.at("run", f"/runs/{run.run_id}")
    walk.visitor.get(f"/searches/{search.run_id}").raise_for_status()
    walk.at("search and table", f"/tables/{table.run_id}")

    assert tuple(walk.screens) == SCREENS
    concept = walk.concept
    assert {image: label.value for image, label in dev_labels(concept).items()} == walk.said
    assert {image: label.value for image, label in blind_labels(concept).items()} == walk.blind
    assert [each.answer for each in concept.decisions if each.kind == "scope"] == walk.answers
    assert concept.blind_looks == (concept.current,)
    labels = csv.DictReader(io.StringIO(walk.visitor.get(f"/runs/{run.run_id}/labels.csv").text))
    assert {row["image_hash"]: row["label"] for row in labels if row["given_by"] == "person"} == {
        first: CLASSES[1]
    }
    # What is sent again as its answer did not arrive in time is no second question.
    first_tries = [each for each in endpoint.chats if each.headers["x-stainless-retry-count"] == "0"]
    asked = Counter(json.dumps(each.body, sort_keys=True) for each in first_tries)
    assert len(asked) > BIRDS
    assert [question[:400] for question, times in asked.items() if times > 1] == []
