"""Small finished runs to be reported on, without any model."""

from collections.abc import Callable
from pathlib import Path

from fieldmark.records import (
    Contribution,
    EncoderUsage,
    Prediction,
    PromptBook,
    RunManifest,
    SkippedInput,
    Usage,
)
from fieldmark.tools.runs.events import RoundPlanned, RoundSummary
from fieldmark.tools.runs.folder import RunFolder

Predict = Callable[..., Prediction]

CONTRIBUTIONS = (
    Contribution(
        attribute="bill",
        contribution=1.5,
        label_value="a red bill",
        runner_up_value="a blue bill",
        seen="a red bill",
    ),
    Contribution(
        attribute="legs",
        contribution=-0.5,
        label_value="red legs",
        runner_up_value="red legs",
        seen="blue legs",
    ),
    Contribution(attribute="name", contribution=0.25),
)


def manifest_of(run: RunFolder, **more: object) -> RunManifest:
    values: dict[str, object] = {
        "run_id": run.run_id,
        "kind": run.config.kind,
        "created": "2026-03-04T05:06:07+00:00",
        "finished": "2026-03-04T05:07:07+00:00",
        "versions": {"python": "3.12.1"},
        "encoder": {"name": "tiny", "identity": "abc", "logit_scale": 16.0, "random_weights": False},
        "language_model": {"model": "some-model"},
        "prompts": {},
        "data_hash": "d",
        "usage": Usage(requests=7, cached=3),
        "encoder_usage": EncoderUsage(images_encoded=2, distinct_images=4),
        "stop_reason": "max_rounds",
    }
    return RunManifest.model_validate(values | more)


def finished_run(
    parent: Path, predictions: list[Prediction], *, classes: tuple[str, ...], rounds: int = 2
) -> RunFolder:
    """A classification's folder as a run leaves it."""
    run = RunFolder.create(parent / "runs", kind="classify", options={})
    run.write_predictions(predictions)
    run.write_book(PromptBook(classes=classes))
    for number in range(rounds + 1):
        run.event(RoundPlanned(round=number, questions=5))
        run.event(summary_of(number, len(predictions)))
    return run


def summary_of(number: int, images: int) -> RoundSummary:
    resolved = min(number, images)
    return RoundSummary(
        round=number,
        questions=5 * number,
        resolved=resolved,
        open=images - resolved,
        rejected=0,
        candidates=3 * images,
    )


def skipped(count: int) -> tuple[SkippedInput, ...]:
    return tuple(SkippedInput(path=f"/data/{number}.jpg", reason="empty file") for number in range(count))
