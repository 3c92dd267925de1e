"""Writes the two texts of an exported classifier: a model card, and a field guide to label by for people."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.records import RunManifest
from fieldmark.tools.learned.contest import GUIDE, MOST_REFERENCE, STUDENT
from fieldmark.tools.learned.guide_table import CSV_FILE, Row
from fieldmark.tools.learned.stored import ARRAYS, LearnedConfig

CARD, INSTRUCTIONS = "card.md", "instructions.md"
ROBUSTNESS = "docs/robustness.md"
_WAYS = {
    STUDENT: "the linear student: logistic regression on image vectors, taught by the run's probabilities",
    GUIDE: "the inductive field guide: votes and names, one image at a time",
}
MOST_MARKS = 8
CONFUSED_FROM = 0.02
"""Two classes are named as look-alikes from this share of probability on."""


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
        f"# A classifier of {len(config.classes):,} classes of {_line(config.noun)}",
        "",
        f"It takes image vectors of `{config.encoder.name}` and needs no language model.",
        "",
        f"    fieldmark predict {shlex.quote(' '.join(folder.split()))} photos/",
        "",
        "## Where it comes from",
        "",
        f"- Run `{config.run}` of {manifest.created}, exported {config.created}; the run stopped with "
        f"*{stop}*.",
        f"- Language model: {_line(str(asked)) if asked else 'none'}; "
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
        *(f"- {_line(note)}" for note in manifest.notes),
    ]
    return "\n".join(parts) + "\n"


def instructions(
    config: LearnedConfig,
    rows: Sequence[Row],
    *,
    exemplars: Mapping[str, Sequence[str]],
    confusion: Tensor,
) -> str:
    """For people who label: each class, its marks, its look-alikes, and images that show it.

    Args:
        config: What is exported.
        rows: The field guide.
        exemplars: Paths of images of each class.
        confusion: Mean probability of each class over the images of a class [C, C] float32.
    """
    marks: dict[str, list[Row]] = {name: [] for name in config.classes}
    best: set[tuple[str, str]] = set()
    for row in rows:
        if row[:2] not in best:
            best.add(row[:2])
            marks[row[0]].append(row)
    shared = Counter(row[1:3] for own in marks.values() for row in own)
    parts = [
        f"# How to tell {len(config.classes):,} classes of {_line(config.noun)} apart",
        "",
        "Marks are what the answers of a language model say, with how many of them say so; those that the "
        f"fewest classes share come first. They may be wrong. All votes are in `{CSV_FILE}`. Images are of "
        "the pool, and the run labelled them so: the first is the most typical, the others differ from it. "
        "Nobody checked them.",
    ]
    likely = confusion.clone()
    likely.fill_diagonal_(0)
    top = likely.topk(min(2, len(likely) - 1), dim=1)
    for c, name in enumerate(config.classes):
        own = sorted(marks[name], key=lambda row: (shared[row[1:3]], -row[3]))[:MOST_MARKS]
        rivals = [
            config.classes[int(other)]
            for other, share in zip(top.indices[c], top.values[c], strict=True)
            if share >= CONFUSED_FROM
        ]
        parts += ["", f"## {_line(name)}", ""]
        parts += [f"- {_line(row[1])}: **{_line(row[2])}** ({_votes(row[3])})" for row in own]
        parts += [] if own else ["- Nothing was said of it."]
        parts += [f"- Look-alikes: {', '.join(map(_line, rivals))}"] if rivals else []
        parts += [f"- Image: {_line(path)}" for path in exemplars.get(name, ())]
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
    some = ", ".join(map(_line, names[:10])) + (", …" if len(names) > 10 else "")
    return [
        f"- {len(names):,} classes had next to no image in the pool ({some}): the student hardly ever "
        "chooses them, and their images may be rejected. The field guide knows them by their marks."
    ]


def _votes(count: int) -> str:
    return f"{count:,} vote" + ("s" if count != 1 else "")


def _line(text: str) -> str:
    """A text on one line that cannot begin anything of Markdown's."""
    plain = " ".join(text.split())
    for sign in "\\`*[]<>#|":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
