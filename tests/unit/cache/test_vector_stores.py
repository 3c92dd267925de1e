"""The contract of `VectorStore`, run over every implementation."""

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from fieldmark.cache.vectorstore import DiskVectorStore, MemoryVectorStore, VectorStore, open_vector_store

Store = DiskVectorStore | MemoryVectorStore
WIDTH = 7


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    if request.param == "memory":
        yield MemoryVectorStore(width=WIDTH)
    else:
        with open_vector_store(tmp_path / "vectors", width=WIDTH) as opened:
            yield opened


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float16)


def test_it_is_a_vector_store(store: Store):
    typed: VectorStore = store
    assert typed.width == WIDTH


def test_rows_come_back_to_the_bit_in_the_order_asked(store: Store):
    put = rows(5)
    put[0, :3] = [-0.0, 65504, 6e-8]  # negative zero, the largest number, the smallest
    store.put_many(list("abcde"), put)
    got, found = store.get_many(list("ecadb"))
    assert got.dtype == np.float16
    assert found.dtype == np.bool_
    assert found.all()
    assert got.tobytes() == put[[4, 2, 0, 3, 1]].tobytes()


def test_what_is_absent_is_zeros_and_not_found(store: Store):
    store.put_many(["a"], rows(1))
    got, found = store.get_many(["x", "a", "y"])
    assert found.tolist() == [False, True, False]
    assert not got[[0, 2]].any()
    assert got.shape == (3, WIDTH)


def test_asking_or_putting_nothing_is_fine(store: Store):
    for _ in range(2):
        got, found = store.get_many([])
        assert (got.shape, found.shape) == ((0, WIDTH), (0,))
        store.put_many([], rows(0))
    assert not store.get_many(["a"])[1].any()


def test_a_key_may_be_asked_twice(store: Store):
    put = rows(1)
    store.put_many(["a"], put)
    got, found = store.get_many(["a", "b", "a"])
    assert found.tolist() == [True, False, True]
    assert (got[0] == put[0]).all()
    assert (got[2] == put[0]).all()


def test_the_first_row_of_a_key_stays(store: Store):
    first, second = rows(2, seed=1), rows(3, seed=2)
    store.put_many(["a", "b"], first)
    store.put_many(["b", "c", "a"], second)
    got, found = store.get_many(["a", "b", "c"])
    assert found.all()
    assert got.tobytes() == np.stack([first[0], first[1], second[1]]).tobytes()


def test_of_a_key_put_twice_at_once_the_first_row_stays(store: Store):
    put = rows(4)
    store.put_many(["a", "b", "a", "a"], put)
    got, _ = store.get_many(["a", "b"])
    assert got.tobytes() == put[:2].tobytes()


def test_the_rows_handed_out_and_taken_in_are_copies(store: Store):
    put = rows(1)
    before = put.copy()
    store.put_many(["a"], put)
    put[:] = 0
    got, _ = store.get_many(["a"])
    got[:] = 1
    again, _ = store.get_many(["a"])
    assert again.tobytes() == before.tobytes()


def test_rows_in_any_memory_layout_are_stored_right(store: Store):
    wide = np.random.default_rng(0).standard_normal((8, WIDTH * 2)).astype(np.float16)
    for name, view in {
        "strided": wide[::2, ::2],
        "fortran": np.asfortranarray(rows(4)),
        "reversed": rows(4)[::-1],
    }.items():
        store.put_many([f"{name}{i}" for i in range(4)], view)
        got, found = store.get_many([f"{name}{i}" for i in range(4)])
        assert found.all()
        assert (got == view).all(), name


@pytest.mark.parametrize(
    "keys", [("a", "A"), ("é", "e\u0301"), ("a", "a "), ("1", "01"), ("🦜" * 200, "🦜" * 201)]
)
def test_keys_that_differ_do_not_meet(store: Store, keys: tuple[str, str]):
    put = rows(2)
    store.put_many([keys[0]], put[:1])
    assert store.get_many(keys)[1].tolist() == [True, False]
    store.put_many([keys[1]], put[1:])
    assert store.get_many(keys)[0].tobytes() == put.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16, np.bool_, object, ">f2"])
def test_rows_of_another_type_are_an_error_never_rounded_in_silence(store: Store, dtype: str | type):
    with pytest.raises(TypeError, match="float16"):
        store.put_many(["a"], np.zeros((1, WIDTH), dtype))  # pyright: ignore
    assert not store.get_many(["a"])[1].any()


@pytest.mark.parametrize(
    "shape", [(2, WIDTH - 1), (2, WIDTH + 1), (1, WIDTH), (3, WIDTH), (WIDTH,), (2, WIDTH, 1)]
)
def test_rows_of_another_shape_are_an_error(store: Store, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="shape"):
        store.put_many(["a", "b"], np.zeros(shape, np.float16))
    assert not store.get_many(["a", "b"])[1].any()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_an_error_and_none_of_the_call_is_stored(store: Store, number: float):
    put = rows(3)
    put[1, 3] = number
    with pytest.raises(ValueError, match="NaN or an infinity"):
        store.put_many(["a", "b", "c"], put)
    assert not store.get_many(["a", "b", "c"])[1].any()


@pytest.mark.parametrize("keys", ["ab", ["a", ""], ["a", 1], ["a", None], [b"a", b"b"]])
def test_keys_that_are_no_text_are_an_error(store: Store, keys: list[str]):
    with pytest.raises(TypeError, match="Keys"):
        store.put_many(keys, rows(2))
    with pytest.raises(TypeError, match="Keys"):
        store.get_many(keys)


@pytest.mark.parametrize("width", [0, -1, 1.5, True, None])
def test_a_width_that_is_none_is_an_error(tmp_path: Path, width: int):
    with pytest.raises(ValueError, match="at least 1"):
        MemoryVectorStore(width=width)
    with pytest.raises(ValueError, match="at least 1"):
        open_vector_store(tmp_path, width=width)
