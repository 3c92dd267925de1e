"""What was tuned once is read back to the bit; what does not fit is tuned anew and replaced."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.tools.clip.adapters.bags import Bags
from fieldmark.tools.clip.adapters.kept import Adapter, tuned_once, tuning_key
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.last_layers import Projection

WIDTH, KEY = 3, "k"
LAYERS = Projection(torch.ones(WIDTH, 5))
LINEAR = LinearAdapter(torch.arange(9.0).reshape(3, 3) / 7, (2.0, 1 / 3), 12.5)
LOW_RANK = LowRankAdapter(LAYERS, {"projection": (torch.ones(2, 5) / 3, torch.ones(3, 2))}, (1 / 7,), 20.0)


class Tuning:
    """Says an adapter, and counts how often it is asked."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.times = 0

    def __call__(self) -> Adapter:
        self.times += 1
        return self.adapter


def encoder_with(store: MemoryByteStore | None, identity: str = "e") -> Any:
    more = {} if store is None else {"adapters": lambda: store}
    return SimpleNamespace(identity=identity, **more)


@pytest.mark.parametrize(("adapter", "onto"), [(LINEAR, WIDTH), (LOW_RANK, LAYERS)])
def test_it_is_tuned_once_and_read_back_to_the_bit(adapter: Adapter, onto: Any) -> None:
    encoder, tuning = encoder_with(MemoryByteStore()), Tuning(adapter)
    tuned_once(encoder, KEY, onto, tuning)
    found = tuned_once(encoder, KEY, onto, tuning)
    assert tuning.times == 1
    assert (found.losses, found.scale) == (adapter.losses, adapter.scale)
    if isinstance(found, LinearAdapter):
        assert torch.equal(found.change, LINEAR.change)
    else:
        assert found.layers is LAYERS
        for part, other in zip(found.changes["projection"], LOW_RANK.changes["projection"], strict=True):
            assert torch.equal(part, other)


def test_an_encoder_that_keeps_none_is_tuned_each_time() -> None:
    tuning = Tuning(LINEAR)
    for _ in range(2):
        assert tuned_once(encoder_with(None), KEY, WIDTH, tuning) is LINEAR
    assert tuning.times == 2


def spoilt(**changed: torch.Tensor | None) -> bytes:
    """What is kept of the linear map, with other tensors in it, or without some."""
    store = MemoryByteStore()
    tuned_once(encoder_with(store), KEY, WIDTH, Tuning(LINEAR))
    tensors = {**load(store.get(KEY, schema="fieldmark.tuned-adapter/1") or b""), **changed}
    return save({name: each for name, each in tensors.items() if each is not None})


@pytest.mark.parametrize(
    "data",
    [
        b"no tensors",
        spoilt(change=torch.ones(4, 4)),
        spoilt(change=torch.full((3, 3), torch.nan)),
        spoilt(change=None),
        spoilt(losses=None),
        spoilt(losses=torch.tensor(1.0)),
        spoilt(change=torch.ones(3, 3, dtype=torch.int64)),
        spoilt(logit_scale=torch.tensor(-1.0)),
        spoilt(logit_scale=torch.ones(2)),
        spoilt(**{"projection.down": torch.ones(2, 5)}),
        spoilt(**{"projection.down": torch.ones(2, 5), "projection.up": torch.ones(3, 2)}),
    ],
)
def test_what_does_not_fit_is_logged_and_replaced(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    store, tuning = MemoryByteStore(), Tuning(LINEAR)
    store.put(KEY, data, schema="fieldmark.tuned-adapter/1")
    for _ in range(2):
        assert tuned_once(encoder_with(store), KEY, WIDTH, tuning).scale == LINEAR.scale
    assert tuning.times == 1
    assert "it is tuned anew" in caplog.text


@pytest.mark.parametrize(
    ("name", "down", "up"),
    [("query", (2, 5), (3, 2)), ("projection", (2, 4), (3, 2)), ("projection", (2, 5), (3, 1))],
)
def test_changes_of_other_layers_do_not_fit(
    name: str, down: tuple[int, int], up: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    encoder, tuning = encoder_with(MemoryByteStore()), Tuning(LOW_RANK)
    changes = {name: (torch.ones(down), torch.ones(up))}
    tuned_once(encoder, KEY, LAYERS, Tuning(replace(LOW_RANK, changes=changes)))
    tuned_once(encoder, KEY, LAYERS, tuning)
    assert tuning.times == 1
    assert "last layers" in caplog.text


def test_a_key_goes_by_all_that_decides() -> None:
    bags = Bags(torch.eye(3), torch.tensor([[True, True, False], [False, False, True]]))
    labels = torch.tensor([0, 1])

    def key(**changed: Any) -> str:
        given = {"encoder": encoder_with(None), "images": ["a", "b"], "labels": labels, "bags": bags}
        return tuning_key(**{**given, "how": {"seed": 0}, **changed})

    others = [
        key(encoder=encoder_with(None, "f")),
        key(images=["b", "a"]),
        key(labels=labels.flip(0)),
        key(bags=replace(bags, vectors=-torch.eye(3))),
        key(bags=replace(bags, member=~bags.member)),
        key(how={"seed": 1}),
    ]
    assert len({key(), *others}) == 1 + len(others)
    assert key() == key()
