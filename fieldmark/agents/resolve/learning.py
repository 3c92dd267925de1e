"""Reads back what a finished run learned: its probabilities, its answers, and its images' vectors."""

from dataclasses import dataclass

import torch

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.field_guide import guide_of, load_array, load_notebook
from fieldmark.agents.resolve.graph import build_graph
from fieldmark.agents.resolve.run import CHECKPOINT, HELD_TYPES
from fieldmark.agents.resolve.state import ResolveState
from fieldmark.agents.shared.checkpoints import open_checkpoint
from fieldmark.cache.server import ServerAddress
from fieldmark.errors import RunError
from fieldmark.records import ClassProbabilities, Prediction
from fieldmark.tools.learned.student import Lesson
from fieldmark.tools.runs.checkpoint_name import has_checkpoint
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.probabilities import all_probabilities
from fieldmark.tools.scoring.field_guide import FieldGuide


@dataclass(frozen=True)
class RunLesson:
    """What a run learned.

    Attributes:
        pool: Its images' vectors, the probabilities that it ended with, and how much each image counts.
        guide: Its answers as a table of votes; None without any.
        labels: Labelled images that it used, to calibrate or because people labelled them.
    """

    pool: Lesson
    guide: FieldGuide | None
    labels: int


async def last_state(run: RunFolder, *, server: ServerAddress | None = None) -> ResolveState:
    """The state that a run ended in.

    Args:
        run: The run's folder.
        server: The PostgreSQL server where its checkpoint may lie.

    Raises:
        RunError: It has none, or has not scored its images yet.
    """
    path = run.path / CHECKPOINT
    values: dict[str, object] = {}
    if has_checkpoint(path):
        async with open_checkpoint(path, holds=HELD_TYPES, server=server) as kept:
            values = (await build_graph(kept.saver).aget_state(kept.config("resolve"))).values
    state = ResolveState.model_validate(values) if values else ResolveState()
    if not state.scores:
        raise RunError(
            f"Run {run.run_id} has learned nothing yet: it stopped before its images were scored.",
            hint="Go on with it first: resume it, or use `Classifier.from_run`.",
        )
    return state


def lesson_of(state: ResolveState, predictions: tuple[Prediction, ...], context: ResolveContext) -> RunLesson:
    """What a run teaches.

    An image counts as much as the run is sure of it; a rejected one counts nothing. Where a vision-language
    model decided, its label counts, as much as that model says it is sure.

    Args:
        state: Where the run ended.
        predictions: What it said of each image of the context.
        context: The run, with these images and no calibration images.

    Raises:
        RunError: Images are missing, or none counts.
    """
    scores = load_array(state.scores, context)
    count = len(predictions)
    if len(context.usable) != count or len(scores) < count:
        gone = next((each for each in context.encoder.failures), None)
        raise RunError(
            f"{count - len(context.usable):,} of the run's {count:,} images have no vector any more"
            + (f", such as {gone.path} ({gone.reason})." if gone else "."),
            hint="Put the images back where they were, or classify and export again.",
        )
    kept = context.run.read(ClassProbabilities.FILE, ClassProbabilities)
    target = torch.from_numpy(all_probabilities(kept, context.arrays))
    index = {name: place for place, name in enumerate(context.classes)}
    by_vlm = [(row, p) for row, p in enumerate(predictions) if p.decided_by == "vlm" and p.vlm_label in index]
    for row, p in by_vlm:
        target[row] = torch.nn.functional.one_hot(torch.tensor(index[str(p.vlm_label)]), len(index))
    weight = torch.tensor([_weight(p) for p in predictions], dtype=torch.float32)
    if not bool((weight > 0).any()):
        raise RunError(
            f"Run {context.run.run_id} rejected every image: there is nothing to learn from.",
            hint="Classify images of the listed classes.",
        )
    return RunLesson(
        pool=Lesson(context.vectors, target, weight),
        guide=guide_of(load_notebook(state.notebook, context), context),
        labels=len(scores) - count + sum(p.decided_by == "label" for p in predictions),
    )


def _weight(prediction: Prediction) -> float:
    if prediction.status == "rejected":
        return 0.0
    return prediction.confidence if prediction.decided_by != "vlm" else prediction.vlm_confidence or 0.0
