"""Batches: all items, in order, once; smaller where memory runs out; a bounded number prepared ahead."""

import threading
import time
import weakref

import pytest
import torch

from fieldmark.cache.vectorstore import MemoryVectorStore
from fieldmark.errors import ModelError
from fieldmark.tools.clip.batches import (
    BatchSize,
    begin_fetch,
    in_batches,
    is_out_of_memory,
    prepared_ahead,
    store_in_batches,
)


class Device:
    """A device that holds so many items at once and notes what it was given."""

    def __init__(self, capacity: int, error: Exception | None = None) -> None:
        self.capacity = capacity
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.tried: list[int] = []
        self.freed = 0

    def __call__(self, batch):
        self.tried.append(len(batch))
        if len(batch) > self.capacity:
            raise self.error
        return sum(batch)

    def free(self) -> None:
        self.freed += 1


def run(device: Device, items: int, size: BatchSize) -> list[int]:
    batches = list(in_batches(iter(range(items)), device, size, free_memory=device.free))
    assert all(result == sum(batch) for batch, result in batches)
    return [item for batch, _ in batches for item in batch]


def test_batches_grow_while_they_fit_and_no_further_than_told():
    device = Device(10**6)
    assert run(device, 100, BatchSize(4, most=32)) == list(range(100))
    assert device.tried == [4, 8, 16, 32, 32, 8]


def test_a_fixed_size_stays():
    device = Device(10**6)
    assert run(device, 10, BatchSize(4)) == list(range(10))
    assert device.tried == [4, 4, 2]


def test_memory_that_runs_out_halves_the_batch_and_is_never_tried_again():
    device = Device(20)
    size = BatchSize(8, most=1024)
    assert run(device, 200, size) == list(range(200))
    assert device.tried[:4] == [8, 16, 32, 16]
    assert max(device.tried[3:]) == 16
    assert device.freed == 1
    assert size.size == 16


def test_halving_goes_on_down_to_one():
    device = Device(1)
    assert run(device, 5, BatchSize(16)) == list(range(5))
    assert device.tried == [5, 2, 1, 1, 1, 1, 1]


def test_a_single_item_that_does_not_fit_is_an_error_with_advice():
    with pytest.raises(ModelError, match="single input") as raised:
        run(Device(0), 5, BatchSize(2))
    assert raised.value.hint


def test_other_errors_are_not_mistaken_for_memory():
    with pytest.raises(RuntimeError, match="illegal"):
        run(Device(0, RuntimeError("an illegal memory access was encountered")), 5, BatchSize(2))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        MemoryError(),
    ],
)
def test_how_devices_say_that_memory_ran_out(error):
    assert is_out_of_memory(error)
    assert run(Device(3, error), 8, BatchSize(8)) == list(range(8))


def test_the_failed_batch_is_let_go_before_memory_is_freed():
    class Held:
        pass

    holders: list[weakref.ref] = []

    def forward(batch):
        if len(batch) > 1:
            held = Held()
            holders.append(weakref.ref(held))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 0

    def free():
        assert holders[-1]() is None

    assert len(list(in_batches(range(4), forward, BatchSize(4), free_memory=free))) == 4


def test_items_are_prepared_in_order_by_several_threads_and_not_too_far_ahead():
    started: list[int] = []
    threads: set[str] = set()
    lock = threading.Lock()

    def prepare(item: int) -> int:
        with lock:
            started.append(item)
            threads.add(threading.current_thread().name)
        time.sleep(0.002)
        return item * 10

    results = prepared_ahead(range(1000), prepare, workers=3, ahead=lambda: 6)
    assert [next(results) for _ in range(20)] == [item * 10 for item in range(20)]
    assert len(started) <= 20 + 6 + 1
    assert len(threads) == 3
    results.close()
    count = len(started)
    time.sleep(0.05)
    assert len(started) == count


def test_an_error_while_preparing_reaches_the_taker():
    def prepare(item: int) -> int:
        return 1 // (3 - item)

    with pytest.raises(ZeroDivisionError):
        list(prepared_ahead(range(9), prepare, workers=2, ahead=lambda: 2))


def test_the_device_computes_while_the_batch_before_is_stored_and_the_next_is_prepared():
    # The copy of a batch is queued behind it, and before the next: waiting for it waits for nothing later.
    done: list[str] = []

    def inputs():
        for item in range(6):
            done.append(f"prepare {item}")
            yield str(item), torch.tensor([float(item)])

    def forward(batch):
        done.append(f"compute {int(batch[0])}-{int(batch[-1])}")
        return torch.stack(list(batch))

    def fetch(vectors):
        first = int(vectors[0])
        done.append(f"copy {first}")

        def wait():
            done.append(f"store {first}")
            return vectors

        return wait

    store = MemoryVectorStore(width=1)
    stored = store_in_batches(
        inputs(), forward, BatchSize(2), store, free_memory=list, progress=None, name="it", fetch=fetch
    )
    assert stored == 6
    assert done == [
        *("prepare 0", "prepare 1", "compute 0-1", "copy 0"),
        *("prepare 2", "prepare 3", "compute 2-3", "copy 2", "store 0"),
        *("prepare 4", "prepare 5", "compute 4-5", "copy 4", "store 2"),
        "store 4",
    ]
    assert store.get_many(["5"])[0].tolist() == [[5.0]]


def test_what_is_fetched_from_the_cpu_is_there():
    vectors = torch.arange(4.0)
    assert begin_fetch(vectors)().tolist() == vectors.tolist()


def test_a_batch_holds_at_least_one():
    with pytest.raises(ValueError, match="at least one"):
        BatchSize(0)
