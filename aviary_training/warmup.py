"""Warms up the vision tower by supervised attribute classification, before any text is seen."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from open_clip.model import CLIP
from safetensors.torch import save_file

from aviary_training.data import TrainingImages
from aviary_training.model import EMBED_DIM, augmented, image_vectors
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, HABITATS, KEYS, LIGHTS

_TARGETS: tuple[str, ...] = (*KEYS, "habitat", "light")
_BATCH = 128
_PEAK_RATE = 2e-3


class CosineHeads(torch.nn.Module):
    """One cosine classifier per target, so that what is learned is usable by a dot product later."""

    def __init__(self) -> None:
        """Create a unit prototype for every value of every target."""
        super().__init__()
        sizes = [len(ATTRIBUTE_BY_KEY[key].values) for key in KEYS] + [len(HABITATS), len(LIGHTS)]
        self.prototypes = torch.nn.ParameterList(
            [torch.nn.Parameter(torch.randn(size, EMBED_DIM)) for size in sizes]
        )
        self.biases = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(size)) for size in sizes])
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(15.0)))

    def forward(self, vectors: torch.Tensor) -> list[torch.Tensor]:
        """Logits per target for vectors `[B, 192]`."""
        unit = functional.normalize(vectors, dim=-1)
        scale = self.log_scale.clamp(max=math.log(60.0)).exp()
        return [
            scale * unit @ functional.normalize(p, dim=-1).T + b
            for p, b in zip(self.prototypes, self.biases, strict=True)
        ]


def warm_up(
    model: CLIP,
    images: TrainingImages,
    held_out: TrainingImages,
    *,
    minutes: float,
    checkpoint: Path,
    report: Callable[[str], None] = print,
) -> float:
    """Train the vision tower to tell all attributes, habitat and light.

    Args:
        model: Trained in place (vision tower only).
        images: Training images.
        held_out: Images for the accuracy that is reported.
        minutes: Wall time; the learning rate falls to nearly zero over it.
        checkpoint: Safetensors file for the model's state, written at the end.
        report: Gets a line now and then.

    Returns:
        Mean attribute accuracy on the held-out images, 0 to 1.
    """
    heads = CosineHeads()
    parameters = [*model.visual.parameters(), *heads.parameters()]
    decayed = [p for p in parameters if p.ndim >= 2]
    free = [p for p in parameters if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": free, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=_PEAK_RATE, betas=(0.9, 0.98), foreach=True)
    truth = [torch.from_numpy(images.column(name)) for name in _TARGETS]
    numbers = np.random.default_rng(0)
    model.train()
    begun, step, position, order = time.monotonic(), 0, len(images), np.empty(0, np.int64)
    while (share := (time.monotonic() - begun) / (60 * minutes)) < 1:
        rate = _PEAK_RATE * min(1, (step + 1) / 150) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        if position + _BATCH > len(images):
            order, position = numbers.permutation(len(images)), 0
        # Sorted, because the pixels are memory-mapped.
        index = np.sort(order[position : position + _BATCH])
        position += _BATCH
        with torch.autocast("cpu", dtype=torch.bfloat16):
            vectors = model.encode_image(augmented(images.pixels[index])).float()
        losses = [
            functional.cross_entropy(logits, target[index])
            for logits, target in zip(heads(vectors), truth, strict=True)
        ]
        loss = torch.stack(losses).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        if step % 200 == 0:
            pace = step * _BATCH / (time.monotonic() - begun)
            report(f"warm-up step {step} ({100 * share:.0f}%) loss {loss.item():.3f} {pace:.0f} images/s")
        if step % 1000 == 0:
            report(f"  {_accuracy_line(model, heads, held_out)[1]}")
    accuracy, line = _accuracy_line(model, heads, held_out)
    report(f"warm-up done: {line}")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, checkpoint)
    return accuracy


@torch.no_grad()
def _accuracy_line(model: CLIP, heads: CosineHeads, images: TrainingImages) -> tuple[float, str]:
    vectors = image_vectors(model, images.pixels)
    accuracies = {
        name: float((logits.argmax(1).numpy() == images.column(name)).mean())
        for name, logits in zip(_TARGETS, heads(vectors), strict=True)
    }
    mean = float(np.mean([accuracies[key] for key in KEYS]))
    return mean, f"mean {mean:.3f}; " + ", ".join(f"{name} {a:.2f}" for name, a in accuracies.items())
