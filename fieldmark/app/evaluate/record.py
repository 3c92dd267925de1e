"""What an evaluation spent on the language model, what is left of its limits, and what its manifest says."""

from collections.abc import Sequence

from pydantic import JsonValue

from fieldmark.evals.table.run import Evaluation
from fieldmark.records import Usage, UsageLimits
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.manifest import describe_model


def spent_by(tasks: Sequence[Evaluation]) -> Usage:
    """What was spent on the language model in all settings."""
    return sum((task.llm.usage for task in tasks if task.llm), Usage())


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
