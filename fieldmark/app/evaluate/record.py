"""What an evaluation spent on the language model, what is left of its limits, and its manifest and table."""

from collections.abc import Sequence

from pydantic import JsonValue

from fieldmark.evals.table.join import setting_runs, table_rows
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.options import CONTROL, EvalOptions
from fieldmark.evals.table.records import EvalResult
from fieldmark.evals.table.run import Evaluation
from fieldmark.records import Usage, UsageLimits
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.scripted import scripted_notes
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import describe_model


def spent_by(tasks: Sequence[Evaluation], *, vision: bool = False) -> Usage:
    """What was spent on the language model, or on the vision-language model, in all settings."""
    asked = [task.vlm if vision else task.llm for task in tasks]
    return sum((model.usage for model in asked if model), Usage())


def asked_of(tasks: Sequence[Evaluation]) -> dict[str, JsonValue]:
    """The language model as the manifest names it; each setting of the aviary has a guide of its own."""
    if not tasks:
        return describe_model(None)
    described = {task.test.setting: describe_model(task.llm) for task in tasks}
    last = described[tasks[-1].test.setting]
    if len(described) == 1:
        return last
    identities: dict[str, JsonValue] = {setting: own.get("identity") for setting, own in described.items()}
    return {**last, "identity": identities}


def left_of(limits: UsageLimits, asked: Sequence[AskedModel]) -> UsageLimits:
    """What is left of limits on the whole run, after these models: each setting has a guide of its own."""
    spent = sum((llm.usage for llm in asked), Usage())
    left = {
        "max_calls": (limits.max_calls, sum(llm.calls for llm in asked)),
        "max_tokens": (limits.max_tokens, spent.prompt_tokens + spent.completion_tokens),
    }
    return limits.model_copy(
        update={name: max(0, most - used) for name, (most, used) in left.items() if most is not None}
    )


def result_of(
    tasks: Sequence[Evaluation],
    methods: Sequence[EvalMethod],
    run: RunFolder,
    *,
    options: EvalOptions,
    notes: Sequence[str] | None,
    seconds: float,
) -> EvalResult:
    """The table of what was measured.

    Args:
        tasks: What was done, a task for each test set.
        methods: The methods.
        run: The run's folder, where each measurement is kept.
        options: The choices of the evaluation.
        notes: What a data source says to readers; None where the data are somebody's own.
        seconds: How long it took.
    """
    kept = {each.truth.setting: each for each in setting_runs(run)}
    settings = tuple(task.test.setting for task in tasks)
    rows = table_rows(
        [kept[setting] for setting in settings],
        methods,
        baseline=options.baseline,
        control=CONTROL,
        resamples=options.resamples,
    )
    used = tasks[-1].encoder.usage
    model = tasks[-1].llm.model if tasks[-1].llm else None
    return EvalResult(
        data=tasks[0].test.data,
        settings=settings,
        rows=rows,
        baseline=options.baseline,
        control=CONTROL,
        clip=tasks[-1].encoder.name,
        llm=model,
        seeds=options.seeds,
        shots=options.shots,
        images_encoded=used.images_encoded,
        texts_encoded=used.texts_encoded,
        seconds=round(seconds, 3),
        notes=(
            *(scripted_notes(model) if notes is None else notes),
            *dict.fromkeys(note for task in tasks for note in task.test.notes),
        ),
        run=str(run.path),
    )
