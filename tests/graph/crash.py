"""A run on the made-up world at a real endpoint, that can be made to kill itself at any named moment."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from fieldmark.agents.resolve import graph as resolve
from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.planning import Planner, PlanView
from fieldmark.agents.resolve.rescoring import load_notebook
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import checkpoint_server
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import open_byte_store
from fieldmark.records import PromptBook, QuestionSpec, UsageLimits
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.runs.events import Event, Logged
from fieldmark.tools.runs.folder import RunFolder
from tests.faulty_endpoint import Received, Reply, completion
from tests.graph.running import Ran, options
from tests.graph.world import FakeEncoder, World, data_of

WORLD = World(splits=1)
OPTIONS = options(tau=1e-6, max_rounds=3, patience=9)
"""Nothing is resolved before its time: the loop goes its three rounds."""
QUESTIONS = 16 + 4 + 16 + 2
"""Descriptions, then what `ThreeRounds` asks."""
AT_ONCE = 4


class ThreeRounds:
    """A planner whose plans do not hang on scores: rival groups, a row for each class, some groups again."""

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        groups = [view.classes[start::4] for start in range(4)]
        kinds = {note.spec.kind for note in view.notes}
        about = {"attributes": view.columns, "material": view.columns_hash}
        if "group" not in kinds:
            return tuple(QuestionSpec(kind="group", classes=group) for group in groups)
        if "tabulate" not in kinds:
            return tuple(QuestionSpec(kind="tabulate", classes=(name,), **about) for name in view.classes)
        return tuple(QuestionSpec(kind="again", classes=group, **about) for group in groups[:2])


def planner_of(context: ResolveContext) -> Planner:
    return ThreeRounds()


def truly(request: Received) -> Reply:
    """The endpoint's true answer, from the world."""
    if request.body is None:  # whoever asked was killed while asking
        return Reply(hang_up=True)
    return completion(json.dumps(WORLD.answer(data_of(request.text))))


class DyingRunFolder(RunFolder):
    """A run folder that tells every event and every file written."""

    def __init__(self, path: Path, die: "Die") -> None:
        super().__init__(path)
        self._die = die

    def event(self, event: Logged) -> None:
        super().event(event)
        self._die.reached(f"{event.line} noted")

    def write_book(self, book: PromptBook) -> Path:
        self._die.reached("predictions written")
        return super().write_book(book)


class Die:
    """A `Progress` that kills the process the moment an event comes for the n-th time."""

    def __init__(self, at: str, on: int) -> None:
        self.at, self.left = at, on

    def __call__(self, event: Event) -> None:
        self.reached(type(event).__name__)

    def reached(self, point: str) -> None:
        if point == self.at:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


async def go(
    folder: Path,
    url: str,
    *,
    cache: bool = True,
    most: int | None = None,
    die_at: str = "",
    on: int = 1,
    retries: int = 2,
    scripted: bool = True,
) -> Ran:
    """Run in `folder`, or take up what was run there before."""
    die = Die(die_at, on)
    run = DyingRunFolder(folder / "run", die)
    with open_byte_store(folder / "answers") as store:
        async with ChatModel(
            "test-model",
            base_url=url,
            api_key=None,
            store=store,
            identity="always the same",
            concurrency=AT_ONCE,
            use_cache=cache,
            limits=UsageLimits(max_calls=most),
            timeout_s=100.0,
            max_retries=retries,
        ) as model:
            context = ResolveContext(
                classes=WORLD.names,
                images=WORLD.images(),
                encoder=FakeEncoder(WORLD),
                llm=model,
                arrays=ArrayStore(run.path / "arrays"),
                run=run,
                options=OPTIONS if scripted else options(tau=0.05, max_rounds=4),
                progress=die,
                checkpoints=checkpoint_server(),
            )
            with mock.patch.object(resolve, "planner_of", planner_of if scripted else resolve.planner_of):
                state = await run_resolve(context)
            notebook = load_notebook(state.notebook, context)
    return Ran(state, tuple(run.read_predictions()), notebook, context)


def main(arguments: Sequence[str]) -> None:
    """What a process runs: the arguments of `go` as JSON, and where checkpoints lie."""
    given = json.loads(arguments[0])
    if checkpoints := given.pop("checkpoints"):
        os.environ["FIELDMARK_CHECKPOINTS"] = checkpoints
    run_to_end(go(Path(given.pop("folder")), given.pop("url"), **given))
