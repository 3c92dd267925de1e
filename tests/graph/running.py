"""Runs the resolve graph on the made-up world."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.rescoring import load_notebook
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.agents.resolve.state import ResolveState
from fieldmark.agents.shared.notes import Notebook
from fieldmark.app.event_loop import run_to_end
from fieldmark.cache.arrays import ArrayStore
from fieldmark.records import Prediction
from fieldmark.tools.runs.events import Event
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.world import FakeEncoder, FakeModel, World

E = TypeVar("E", bound=Event)

OPTIONS = ResolveOptions(
    noun="bird",
    start="descriptors",
    descriptor_samples=1,
    rule="table",
    ask="table",
    candidates="margin",
    k=10,
    rivals=6.0,
    table_temperature=1.0,
    tau=0.1,
    alpha=0.1,
    max_rounds=6,
    group_size=4,
    name_weight=0.3,
    patience=2,
)


def options(**changed: Any) -> ResolveOptions:
    """The options of these tests, all of them set, with some changed."""
    return ResolveOptions.model_validate(OPTIONS.model_dump() | changed)


def make_context(folder: Path, world: World, **given: Any) -> ResolveContext:
    """A context on the world; everything can be replaced."""
    run = RunFolder(folder)
    values: dict[str, Any] = {
        "classes": world.names,
        "images": world.images(),
        "encoder": FakeEncoder(world),
        "llm": FakeModel(world),
        "arrays": ArrayStore(folder / "arrays"),
        "run": run,
        "options": OPTIONS,
    }
    return ResolveContext(**(values | given))


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    state: ResolveState
    predictions: tuple[Prediction, ...]
    notebook: Notebook
    context: ResolveContext

    @property
    def statuses(self) -> list[str]:
        return [p.status for p in self.predictions]

    @property
    def raw(self) -> bytes:
        """What the run wrote about its images, and its book."""
        folder = self.context.run.path
        return b"".join(
            (folder / name).read_bytes() for name in ("predictions.jsonl", "predictions.csv", "book.json")
        )

    def right(self, world: World) -> float:
        """Share of images labelled correctly."""
        truth = [world.truth(image) for image in self.context.usable]
        return sum(p.label == t for p, t in zip(self.predictions, truth, strict=True)) / len(truth)


def run(context: ResolveContext) -> Ran:
    """Run the graph, or take it up again."""
    return run_to_end(run_async(context))


async def run_async(context: ResolveContext) -> Ran:
    """As `run`, inside a running event loop."""
    state = await run_resolve(context)
    predictions = tuple(context.run.read_predictions())
    return Ran(state, predictions, load_notebook(state.notebook, context), context)


class Events:
    """A `Progress` that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.all.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.all if isinstance(event, kind)]
