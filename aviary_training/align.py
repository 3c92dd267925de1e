"""Aligns text with images: first the text tower alone on fixed image vectors, then both towers."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from open_clip.loss import ClipLoss
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer

from aviary_training.captions import CONTRASTS, contrast_sets, training_caption
from aviary_training.data import COLUMNS, TrainingImages, marks_of
from aviary_training.model import EMBED_DIM, augmented, prepared, text_vectors
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, HABITATS, LIGHTS, NOUNS
from fieldmark.aviary.world.species import known_species

_LARGEST_SCALE = math.log(100)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of alignment."""

    name: str
    minutes: float
    batch: int
    text_rate: float
    image_rate: float
    """Learning rate of the vision tower; ignored while it is locked."""
    locked: bool
    """Whether image vectors are computed once and only a linear map on them is trained."""


def align(
    model: CLIP,
    tokenizer: SimpleTokenizer,
    images: TrainingImages,
    stage: Stage,
    *,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> None:
    """Train on image-caption pairs, in place.

    The loss is open_clip's `ClipLoss` on the batch, plus the cross-entropy of every image over sets
    of captions that differ in one thing only (hard negatives, see `captions.contrast_sets`).

    Args:
        model: Starts from the warm-up or from an earlier stage.
        tokenizer: Its tokenizer.
        images: Training images.
        stage: What is trained, how fast and how long.
        seed: Decides captions and batches.
        report: Gets a line now and then.
    """
    rng, numbers = random.Random(f"align {stage.name} {seed}"), np.random.default_rng(seed)
    bridge = torch.nn.Linear(EMBED_DIM, EMBED_DIM)
    vectors = _fixed_vectors(model, images) if stage.locked else None
    if vectors is not None:
        with torch.no_grad():
            bridge.weight.copy_(torch.eye(EMBED_DIM))
            bridge.bias.copy_(-vectors.mean(0))
    text = [p for name, p in model.named_parameters() if not name.startswith("visual.")]
    vision = list(bridge.parameters()) if stage.locked else list(model.visual.parameters())
    optimiser = torch.optim.AdamW(
        [*_groups(text, stage.text_rate), *_groups(vision, stage.image_rate)], betas=(0.9, 0.98), foreach=True
    )
    peaks = [group["lr"] for group in optimiser.param_groups]
    contrastive, writer = ClipLoss(), _CaptionWriter(images, rng)
    model.train()
    begun, step, position, order = time.monotonic(), 0, len(images), np.empty(0, np.int64)
    while (share := (time.monotonic() - begun) / (60 * stage.minutes)) < 1:
        pace = min(1, (step + 1) / 80) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * pace
        if position + stage.batch > len(images):
            order, position = numbers.permutation(len(images)), 0
        index = np.sort(order[position : position + stage.batch])
        position += stage.batch
        sets = contrast_sets(rng)
        captions = [writer.write(i) for i in index.tolist()]
        tokens = tokenizer([*captions, *(text for one in sets for text in one.captions)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            texts = text_vectors(model, tokens)
            if vectors is None:
                seen = model.encode_image(augmented(images.pixels[index])).float()
            else:
                picked = vectors[index]
                seen = picked + 0.05 * picked.std() * torch.randn_like(picked)
        if vectors is not None:
            seen = bridge(seen)
        units = functional.normalize(seen, dim=-1)
        scale = model.logit_scale.exp()
        pair_loss = contrastive(units, texts[: len(index)], scale)
        set_loss = _contrast_loss(scale * units @ texts[len(index) :].T, images.labels[index])
        loss = pair_loss + set_loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*text, *vision], 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, _LARGEST_SCALE)
        step += 1
        if step % 100 == 0:
            speed = step * stage.batch / (time.monotonic() - begun)
            report(
                f"{stage.name} step {step} ({100 * share:.0f}%) pairs {pair_loss.item():.3f} contrasts "
                f"{set_loss.item():.3f} scale {scale.item():.1f} {speed:.0f} pairs/s"
            )
    if stage.locked:
        _fold(model, bridge)


def _groups(parameters: list[torch.nn.Parameter], rate: float) -> list[dict[str, object]]:
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "lr": rate, "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim < 2], "lr": rate, "weight_decay": 0.0},
    ]


@torch.no_grad()
def _fixed_vectors(model: CLIP, images: TrainingImages, batch: int = 250) -> torch.Tensor:
    # Half of the vectors come from augmented images: a little of the variety that a locked tower loses.
    model.eval()
    parts: list[torch.Tensor] = []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for number, start in enumerate(range(0, len(images), batch)):
            pixels = np.array(images.pixels[start : start + batch])
            parts.append(model.encode_image(augmented(pixels) if number % 2 else prepared(pixels)).float())
    return torch.cat(parts)


def _contrast_loss(logits: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
    """Mean cross-entropy over the contrast sets.

    Args:
        logits: float32 `[B, T]`; the T captions are those of all sets in the order of `CONTRASTS`.
        labels: int16 `[B, 20]`; rows with -1 in a column do not count there.
    """
    losses: list[torch.Tensor] = []
    start = 0
    for name, size in zip(CONTRASTS, _set_sizes(), strict=True):
        target = torch.from_numpy(labels[:, COLUMNS.index(name)].astype(np.int64))
        losses.append(functional.cross_entropy(logits[:, start : start + size], target, ignore_index=-1))
        start += size
    return torch.stack(losses).mean()


def _set_sizes() -> list[int]:
    others = {"habitat": len(HABITATS), "light": len(LIGHTS), "noun": len(NOUNS)}
    return [others[name] if name in others else len(ATTRIBUTE_BY_KEY[name].values) for name in CONTRASTS]


@torch.no_grad()
def _fold(model: CLIP, bridge: torch.nn.Linear) -> None:
    # Any, because torch declares the attributes of modules only as "tensor or module".
    visual: Any = model.visual
    projection = visual.attnpool.c_proj
    bias = bridge.weight @ projection.bias + bridge.bias
    projection.weight.copy_(bridge.weight @ projection.weight)
    projection.bias.copy_(bias)


class _CaptionWriter:
    """Writes a new caption for a training image each time it is asked."""

    def __init__(self, images: TrainingImages, rng: random.Random) -> None:
        self._labels, self._rng, self._roster = images.labels, rng, known_species()

    def write(self, index: int) -> str:
        row = self._labels[index].tolist()
        habitat, light, noun, species = row[-4:]
        return training_caption(
            marks_of(self._labels[index]),
            HABITATS[habitat],
            LIGHTS[light],
            None if noun < 0 else NOUNS[noun],
            None if species < 0 else self._roster[species],
            self._rng,
        )
