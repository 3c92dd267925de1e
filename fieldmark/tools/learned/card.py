"""Writes the model card of an exported classifier."""

import shlex
from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.records import RunManifest
from fieldmark.tools.learned.contest import GUIDE, MOST_REFERENCE, STUDENT
from fieldmark.tools.learned.stored import ARRAYS, LearnedConfig, StoredAspect
from fieldmark.tools.markdown import one_line

CARD, INSTRUCTIONS = "card.md", "instructions.md"
ROBUSTNESS = "docs/robustness.md"
_WAYS = {
    STUDENT: "the linear student: logistic regression on image vectors, taught by the run's probabilities",
    GUIDE: "the inductive field guide: votes and names, one image at a time",
}


def model_card(
    config: LearnedConfig,
    manifest: RunManifest,
    *,
    absent: Sequence[str],
    open_share: float,
    folder: str,
) -> str:
    """The model card as Markdown.

    Args:
        config: What is exported.
        manifest: Of the run.
        absent: Classes that have next to no image in the pool.
        open_share: Share of the pool that the run left open or rejected.
        folder: What the folder is called where it lies.
    """
    stop = manifest.stop_reason.replace("_", " ")
    other = GUIDE if config.best == STUDENT else STUDENT
    asked = manifest.language_model.get("model")
    parts = [
        f"# A classifier of {len(config.classes):,} classes of {one_line(config.noun)}",
        "",
        f"It takes image vectors of `{config.encoder.name}` and needs no language model.",
        "",
        f"    fieldmark predict {shlex.quote(' '.join(folder.split()))} photos/",
        "",
        "## Where it comes from",
        "",
        f"- Run `{config.run}` of {manifest.created}, exported {config.created}; the run stopped with "
        f"*{stop}*.",
        f"- Language model: {one_line(str(asked)) if asked else 'none'}; "
        f"{manifest.usage.requests + manifest.usage.cached:,} answers.",
        f"- Learned from {config.images:,} images by what the run made of them. "
        + (f"It knew {config.labels:,} labels of people." if config.labels else "No label was used."),
        f"- Encoder: `{config.encoder.name}`, identity `{config.encoder.identity[:16]}…`. Another encoder or "
        "preprocessing is refused.",
        "",
        "## What it does",
        "",
        f"- Default: {_WAYS[config.best]}. Both are stored; the other one is {_WAYS[other]}.",
        *(
            f"- {name}: {config.contenders[name].agreement:.1%} agreement with the run's labels on images of "
            "the pool that it was not made from, weighed by how sure the run is. That is no accuracy: the "
            f"run may be wrong. Temperature {config.contenders[name].temperature:.3g}."
            for name in (STUDENT, GUIDE)
        ),
        *_rejection(config),
        *_aspects(config),
        f"- An image is *resolved* where its label is expected to be wrong with a probability of at most "
        f"{config.risk:g}, *open* where it is not. Confidence is as far to be trusted as the run's was.",
        "",
        "## Warnings",
        "",
        f"- How much the run helped depends on whether the encoder knows the names and how noisy its vectors "
        f"are; the map of it is in `{ROBUSTNESS}` of Fieldmark's documentation.",
        f"- The run itself left {open_share:.1%} of its images open or rejected. What it got wrong, this "
        "classifier learned, too.",
        "- It was fitted and calibrated on one pool: images from elsewhere may be unlike it.",
        *_private(config),
        *_absent(absent),
        *(f"- {one_line(note)}" for note in manifest.notes),
    ]
    return "\n".join(parts) + "\n"


def confusion_of(target: Tensor, weight: Tensor) -> Tensor:
    """Mean probability of each class over the images that are labelled a class [C, C] float32."""
    label = torch.nn.functional.one_hot(target.argmax(1), target.shape[1]) * (weight > 0)[:, None]
    return label.float().T @ target / label.sum(0).clamp(min=1)[:, None]


def _rejection(config: LearnedConfig) -> list[str]:
    if config.farthest is None:
        return ["- It rejects no image: every image gets one of the classes."]
    return [
        f'- An image is *rejected* ("none of these") where its vector lies farther than '
        f"{config.farthest:.4f} from every class's mean vector. {config.reject:.1%} of the pool's own images "
        "do, when the means come from the other half of the pool."
    ]


def _aspects(config: LearnedConfig) -> list[str]:
    said = config.aspects
    if said is None:
        return []
    counts = f"They count for its labels (weight {said.alpha:g})." if said.alpha else "They decide nothing."
    by = f"calibrated on {said.calibrated_on:,} of them" if said.calibrated_on else "as it told them"
    return [
        f"- The student has {len(said.aspects):,} yes/no aspects as reasons, written by "
        f"{one_line(said.written_by)} and looked for in {said.images:,} images by {one_line(said.seen_by)}; "
        f"its answers, {by}, are the targets. {counts} Of each aspect: how often the student answers as that "
        "model on images that it was not made from, how often the usual answer does, of how many answers.",
        *(f"  - {one_line(each.text)} {_agreement(each)}" for each in said.aspects),
    ]


def _agreement(aspect: StoredAspect) -> str:
    if aspect.agreement is None or aspect.usual is None:
        return "Not known: no such image has an answer."
    return f"{aspect.agreement:.0%}, {aspect.usual:.0%}, of {aspect.answers:,}"


def _private(config: LearnedConfig) -> list[str]:
    if config.reference == "encoder":
        return []
    return [
        f"- `{ARRAYS}` holds vectors of up to {MOST_REFERENCE:,} images of the pool; treat it as you "
        "treat the images."
    ]


def _absent(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    some = ", ".join(map(one_line, names[:10])) + (", …" if len(names) > 10 else "")
    return [
        f"- {len(names):,} classes had next to no image in the pool ({some}): the student hardly ever "
        "chooses them, and their images may be rejected. The field guide knows them by their marks."
    ]
