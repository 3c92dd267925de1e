"""Worlds whose images are their classes' texts, turned away by a map that an adapter should find."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fieldmark.tools.clip.adapters.bags import Bags


@pytest.fixture(autouse=True)
def in_one_thread(one_thread: None) -> None:
    """See `one_thread`."""


@dataclass(frozen=True)
class Turned:
    """Images of classes to tune on, of other classes to measure on, and the map between."""

    vectors: Tensor
    labels: Tensor
    bags: Bags
    new_vectors: Tensor
    new_labels: Tensor
    new_bags: Bags
    meant: Tensor
    """What the new images would be, had they not been turned away."""


def unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=1)


def bags_of(classes: int, width: int, chance: torch.Generator, *, texts: int = 3) -> Bags:
    centres = torch.randn(classes, width, generator=chance)
    spread = 0.3 * torch.randn(classes, texts, width, generator=chance)
    member = torch.eye(classes, dtype=torch.bool).repeat_interleave(texts, dim=1)
    return Bags(unit((centres[:, None] + spread).flatten(0, 1)), member)


def images_of(bags: Bags, each: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.arange(bags.classes).repeat_interleave(each)
    member = bags.member.float()
    means = member @ bags.vectors / member.sum(1, keepdim=True)
    noise = 0.05 * torch.randn(len(labels), bags.vectors.shape[1], generator=chance)
    return unit(means[labels] + noise), labels


@pytest.fixture
def turned() -> Turned:
    chance = torch.Generator().manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(12, 12, generator=chance)).Q
    bags, new_bags = bags_of(100, 12, chance), bags_of(20, 12, chance)
    vectors, labels = images_of(bags, 5, chance)
    meant, new_labels = images_of(new_bags, 10, chance)
    return Turned(vectors @ rotation, labels, bags, meant @ rotation, new_labels, new_bags, meant)


def top1(vectors: Tensor, labels: Tensor, bags: Bags) -> float:
    scores = vectors @ bags.vectors.T @ bags.member.float().T
    return float((scores.argmax(1) == labels).float().mean())
