"""Makes small evaluations: two classes of four images, methods that are right as often as told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fieldmark.evals.methods.clip import METHODS
from fieldmark.evals.table.counting import Cost
from fieldmark.evals.table.join import SettingRuns, table_rows
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.records import EvalResult, MethodRun, TestRecord
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.runs.folder import RunFolder

CLASSES = ("wren", "crow")
LABELS = (0, 0, 0, 0, 1, 1, 1, 1)
GROUPS = ("sea", "sea", "land", "land", "sea", "sea", "land", "land")


def method(key: str, **more: object) -> EvalMethod:
    """A method that is never run."""
    own: dict[str, object] = {"key": key, "title": f"The {key}", "source": f"Paper of {key}"}
    return replace(METHODS[0], **(own | more))  # pyright: ignore[reportArgumentType]


def truth(setting: str = "new", **more: object) -> TestRecord:
    """The truth about eight images."""
    own: dict[str, object] = {
        "data": "photos", "setting": setting, "data_hash": "x", "classes": CLASSES, "labels": LABELS,
        "groups": GROUPS, "train": 32, "pool": 5,
    }  # fmt: skip
    return TestRecord.model_validate(own | more)


def run(key: str, right: Sequence[int] = (), *, setting: str = "new", **more: object) -> MethodRun:
    """A run that labels the images of these places rightly."""
    said = tuple(label if place in right else 1 - label for place, label in enumerate(LABELS))
    own: dict[str, object] = {
        "identity": key, "data": "photos", "setting": setting, "method": key, "seed": 0, "outcome": "done",
        "predicted": said, "confidence": (0.75,) * 8, "among_five": (True,) * 8, "seconds": 1.5,
        "cost": Cost(texts=20),
    }  # fmt: skip
    return MethodRun.model_validate(own | more)


def asked(questions: int, texts: int, *, tokens: int | None = 900, failed: int = 0) -> Cost:
    """What a method used that asks."""
    return Cost(
        llm_requests=questions, llm_failed=failed, prompt_tokens=tokens, completion_tokens=100, texts=texts
    )


def left_out(key: str, reason: str, *, outcome: str = "left_out") -> MethodRun:
    """A method that is missing."""
    return run(key, outcome=outcome, reason=reason, predicted=(), confidence=(), among_five=())


def evaluation(
    parent: Path, settings: Sequence[SettingRuns], methods: Sequence[EvalMethod], **more: object
) -> tuple[RunFolder, EvalResult]:
    """The table of these runs, in a folder of its own."""
    folder = RunFolder.create(parent / "runs", kind="eval", options={})
    own: dict[str, object] = {
        "data": "photos",
        "settings": tuple(each.truth.setting for each in settings),
        "rows": table_rows(settings, methods, baseline="base", control="words", resamples=200),
        "baseline": "base", "control": "words", "clip": "ViT-B-32:openai", "llm": "a-model", "seeds": 2,
        "shots": 16, "images_encoded": 8, "texts_encoded": 40, "seconds": 3.0, "run": str(folder.path),
    }  # fmt: skip
    return folder, EvalResult.model_validate(own | more)


BASE, WORDS = method("base"), method("words", title="Random words")
ASKS = method("asks", needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}), transductive=True)
SHOTS = method("shots", needs=frozenset({MethodNeed.NAMES, MethodNeed.LABELS, MethodNeed.POOL}))
METHODS_HERE = (BASE, WORDS, ASKS, SHOTS)


def four() -> SettingRuns:
    """Four methods: 2, 3, 8 and 4 of 8 images right."""
    return SettingRuns(
        truth(),
        [
            run("base", (0, 4), cost=Cost(texts=2)),
            run("words", (0, 1, 4), cost=Cost(texts=60)),
            run("asks", range(8), cost=asked(7, 30, failed=2)),
            run("shots", (0, 1, 2, 3), notes=("a note",), diagnostics={"share": 0.123456}),
        ],
    )
