"""Writes a run's manifest: what was run, with what, what it cost and why it stopped.

It knows nothing of what the run found.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from fieldmark.agents.context import ResolveContext
from fieldmark.cache.keys import content_key
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import RunManifest, Skipped, Usage
from fieldmark.tools.llm import ChatModel
from fieldmark.tools.run_folder import now

PACKAGES = ("fieldmark", "torch", "open_clip_torch", "langgraph", "openai", "pydantic", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_manifest(
    context: ResolveContext,
    *,
    kind: str,
    stop_reason: str,
    counts: Mapping[str, int],
    skipped: tuple[Skipped, ...] = (),
    seed: int | None = None,
    notes: tuple[str, ...] = (),
) -> RunManifest:
    """Write `manifest.json`, the last thing a run does.

    Args:
        context: The finished run.
        kind: "classify", "demo", …
        stop_reason: Why it stopped.
        counts: What came out, in numbers.
        skipped: Files that were not used; those that failed at encoding are added.
        seed: The run's seed, where it has one.
        notes: What a reader must know.
    """
    encoder, llm = context.encoder, context.llm
    marks = ("The encoder has RANDOM weights: no result means anything.",) if encoder.random_weights else ()
    manifest = RunManifest(
        run_id=context.run.run_id,
        kind=kind,
        created=context.run.config.created,
        finished=now(),
        versions=versions(),
        encoder={
            "name": encoder.name,
            "identity": encoder.identity,
            "logit_scale": encoder.logit_scale,
            "random_weights": encoder.random_weights,
        },
        language_model=describe_model(llm),
        prompts=dict(prompt_hashes()),
        seed=seed,
        data_hash=content_key([image.content_hash for image in context.images]),
        usage=llm.usage if isinstance(llm, ChatModel) else Usage(),
        encoder_usage=encoder.usage,
        stop_reason=stop_reason,
        counts=dict(counts),
        skipped=skipped + encoder.failures,
        notes=marks + notes,
    )
    context.run.write_manifest(manifest)
    return manifest


def describe_model(llm: object) -> dict[str, str | None]:
    """Name and identity of the language model, and how it was asked for JSON."""
    if not isinstance(llm, ChatModel):
        return {"model": None}
    return {"model": llm.model, "identity": llm.identity, "response_format": llm.response_format}
