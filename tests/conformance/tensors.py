"""Small tensors and plain arithmetic for the conformance tests."""

import math

import numpy as np
import torch


def unit_rows(count, width, seed):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def axes(texts):
    """Each text is a vector written out: "1,0" is [1, 0]."""
    return torch.tensor([[float(part) for part in text.split(",")] for text in texts])


def unit_mean(texts, encode):
    rows = [encode([text])[0].numpy().astype(np.float64) for text in texts]
    mean = sum(row / math.sqrt(float(row @ row)) for row in rows) / len(rows)
    return mean / math.sqrt(float(mean @ mean))


def plain_softmax(values):
    weights = np.exp(values - values.max())
    return weights / weights.sum()
