"""What an evaluation's manifest says of the language model and of what was spent on it."""

from collections.abc import Sequence

from pydantic import JsonValue

from fieldmark.evals.table.run import Evaluation
from fieldmark.records import Usage
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
