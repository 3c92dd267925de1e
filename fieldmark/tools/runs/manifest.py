"""Writes a run's manifest: what was run, with what, what it cost and why it stopped."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from pydantic import JsonValue

from fieldmark.cache.keys import content_key
from fieldmark.records import RunManifest, SkippedInput, Usage
from fieldmark.tools.clip.encoder import Encoder, scoring_identity
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.folder import RunFolder, now

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
    run: RunFolder,
    encoder: Encoder,
    *,
    images: Iterable[ImageFile],
    language_model: Mapping[str, JsonValue],
    usage: Usage,
    prompts: Mapping[str, str],
    vision_model: Mapping[str, JsonValue] | None = None,
    vision_usage: Usage | None = None,
    stop_reason: str,
    counts: Mapping[str, int],
    skipped: tuple[SkippedInput, ...] = (),
    passed_over: Mapping[str, int] | None = None,
    seed: int | None = None,
    labels_hash: str = "",
    notes: tuple[str, ...] = (),
    earlier: RunManifest | None = None,
) -> RunManifest:
    """Write `manifest.json`, the last thing a run does.

    Args:
        run: The run's folder, with its configuration.
        encoder: The encoder that was used.
        images: The images that were asked about.
        language_model: See `describe_model`.
        usage: What was spent on it.
        prompts: Id and hash of every question's text, as they were shipped.
        vision_model: The same of the vision-language model, where there is one.
        vision_usage: What was spent on that.
        stop_reason: Why the run stopped.
        counts: What came out, in numbers.
        skipped: Files that were not used; those that failed at encoding are added.
        passed_over: Files in folders that were passed over, by suffix.
        seed: The run's seed, where it has one.
        labels_hash: Of the labels it was scored with; see `labels_hash`.
        notes: What a reader must know.
        earlier: The manifest of the stop that this run was resumed from; what it spent is added.
    """
    random = ("The encoder has RANDOM weights: no result means anything.",) if encoder.random_weights else ()
    config = run.config
    manifest = RunManifest(
        run_id=run.run_id,
        kind=config.kind,
        created=config.created,
        finished=now(),
        versions=versions(),
        encoder={
            "name": encoder.name,
            "identity": encoder.identity,
            "scoring_identity": scoring_identity(encoder),
            "logit_scale": encoder.logit_scale,
            "random_weights": encoder.random_weights,
        },
        language_model=dict(language_model),
        vision_model=dict(vision_model or (earlier.vision_model if earlier else {})),
        vision_usage=(vision_usage or Usage()) + (earlier.vision_usage if earlier else Usage()),
        prompts=dict(prompts),
        seed=seed,
        labels_hash=labels_hash,
        data_hash=content_key([image.content_hash for image in images]),
        usage=usage + earlier.usage if earlier else usage,
        encoder_usage=encoder.usage.after(earlier.encoder_usage) if earlier else encoder.usage,
        stop_reason=stop_reason,
        counts=dict(counts),
        skipped=tuple(dict.fromkeys(skipped + encoder.failures)),  # some are told by both
        passed_over=dict(passed_over or {}),
        notes=random + notes,
    )
    run.write_manifest(manifest)
    return manifest


def describe_model(llm: object) -> dict[str, JsonValue]:
    """Name and identity of the language model, and how it was asked for JSON."""
    if not isinstance(llm, AskedModel):
        return {"model": None}
    return {"model": llm.model, "identity": llm.identity, "response_format": llm.response_format}
