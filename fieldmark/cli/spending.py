"""Says what models were asked, in tokens and money: the same line at the end of every command that asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.terminal import PlainConsole, amount

if TYPE_CHECKING:
    from fieldmark.records import Usage

MOST_REASONS = 5
"""The most reasons for missing answers that are named."""
PRICES = "FIELDMARK_PRICE_PROMPT and FIELDMARK_PRICE_COMPLETION"
"""The settings that turn tokens into money."""


def money(cost: float | None) -> str:
    """Money in words: "cost 0.125"; unknown is never 0."""
    return "cost unknown" if cost is None else f"cost {cost:.4g}"


def tokens_and_money(usage: "Usage") -> str:
    """Both in words: "1,234 tokens, cost 0.125"."""
    return f"{usage.prompt_tokens + usage.completion_tokens:,} tokens, {money(usage.cost)}"


def spent(usage: "Usage", failures: Mapping[str, int] | None = None) -> str:
    """One line on what was asked.

    Args:
        usage: What was spent.
        failures: Questions without a usable answer, by reason, where known.
    """
    said = f"Asked {amount(usage.requests, 'question')}, {usage.cached:,} answered from the cache"
    if usage.failed:
        reasons = sorted((failures or {}).items(), key=lambda each: -each[1])[:MOST_REASONS]
        why = ", ".join(f"{reason} {count}" for reason, count in reasons)
        said += f", {usage.failed:,} without a usable answer" + (f" ({why})" if why else "")
    if usage.requests:
        said += f"; {tokens_and_money(usage)}"
    return said + "."


def say_spent(run: Path, console: PlainConsole) -> None:
    """Say what a run spent on models, all its processes together, as its manifest has it."""
    from fieldmark.records import RunManifest
    from fieldmark.tools.runs.folder import RunFolder

    manifest = RunFolder(run).read("manifest.json", RunManifest)
    console.say(spent(manifest.usage + manifest.vision_usage))
