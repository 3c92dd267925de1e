"""The table rule on vectors that are read block by block says what it says on cosines in memory."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.tools.clip.vector_file import VectorFile
from fieldmark.tools.scoring import attribute_evidence, class_fits, table, vectors
from fieldmark.tools.scoring.contributions import explain_labels
from fieldmark.tools.scoring.table import TableOptions, table_rule
from fieldmark.tools.scoring.vectors import BlockCosines, room
from tests.unit.tools.scoring.test_table import noise

IMAGES, CLASSES, ATTRIBUTES, VALUES, WIDTH = 41, 7, 4, 5, 16


@pytest.fixture
def problem(tmp_path, monkeypatch):
    for module in (vectors, attribute_evidence, class_fits, table):
        for name in ("CACHE_ELEMENTS", "STEP_ELEMENTS"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 90)  # two or three images at a time
    np.save(tmp_path / "vectors.npy", noise(IMAGES, WIDTH, seed=1).numpy())
    rows = VectorFile.open(tmp_path / "vectors.npy")
    counts = torch.poisson(torch.full((CLASSES, ATTRIBUTES, VALUES), 0.7), torch.Generator().manual_seed(2))
    return BlockCosines(rows, noise(ATTRIBUTES, VALUES, WIDTH, seed=3)), counts


def in_memory(cosines):
    return cosines[slice(0, IMAGES)]


def listed():
    order = noise(IMAGES, CLASSES, seed=4).argsort(1)[:, :3].sort(1).values
    return order.masked_fill(noise(IMAGES, 3, seed=5) < -1, -1)


def alike(one, other):
    for name in ("scores", "q", "pi", "shares", "seen", "odds", "contributions"):
        assert torch.allclose(getattr(one, name), getattr(other, name), atol=2e-5), name
    assert torch.equal(one.most_like, other.most_like)


@pytest.mark.parametrize("memory", [0, 1 << 30])
@pytest.mark.parametrize("pool", [None, "reference"])
@pytest.mark.parametrize("candidates", [None, "listed"])
def test_blocks_say_the_same(problem, memory, pool, candidates):
    cosines, counts = problem
    reference = None if pool is None else noise(9, ATTRIBUTES, VALUES, seed=6)
    which = None if candidates is None else listed()
    names = noise(IMAGES, CLASSES, seed=7)
    options = TableOptions(memory=memory)
    wanted = table_rule(in_memory(cosines), counts, which, name_scores=names, reference=reference)
    found = table_rule(cosines, counts, which, options, name_scores=names, reference=reference)
    alike(found, wanted)


def test_names_of_the_candidates_alone_say_the_same(problem):
    cosines, counts = problem
    which, names = listed(), noise(IMAGES, CLASSES, seed=7)
    wanted = table_rule(in_memory(cosines), counts, which, name_scores=names)
    found = table_rule(cosines, counts, which, name_scores=names.gather(1, which.clamp(min=0)))
    alike(found, wanted)
    within = noise(IMAGES, CLASSES, seed=8) > 0
    whole, own = explain_labels(wanted, within), explain_labels(found, within.gather(1, which.clamp(min=0)))
    assert torch.equal(whole.label, own.label)
    assert torch.equal(whole.runner_up, own.runner_up)
    assert torch.allclose(whole.contributions, own.contributions, atol=2e-5)


def test_what_takes_more_room_than_allowed_lies_in_a_file():
    small, large = room(3, 4, memory=48), room(3, 4, memory=47)
    assert large.shape == small.shape == (3, 4)
    large[1] = 7
    assert float(large.sum()) == 28
    maps = Path("/proc/self/maps")
    assert not maps.exists() or "fieldmark-" in maps.read_text()  # there is none but on Linux


def test_a_full_disk_is_told_before_a_map_of_it_ends_the_process(monkeypatch):
    def full(file, start, size):
        raise OSError(errno.ENOSPC, f"{size} bytes")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(InputError, match="has no room for 48 bytes") as told:
        room(3, 4, memory=0)
    assert "TMPDIR" in told.value.hint
