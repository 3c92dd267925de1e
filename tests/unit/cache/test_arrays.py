import errno
import os
import pickle
import stat
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldmark.cache import folders
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.keys import content_key
from fieldmark.errors import CacheError

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
ABSENT = "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path / "arrays")


def only_file(store: ArrayStore) -> Path:
    (path,) = store.folder.iterdir()
    return path


# ── arrays ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (0, 3), (2, 3, 4)])
def test_arrays_of_numbers_come_back_to_the_bit(store: ArrayStore, dtype: str, shape: tuple[int, ...]):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    got = store.get(store.put(array))
    assert got.dtype == array.dtype
    assert got.shape == shape
    assert got.tobytes() == array.tobytes()


def test_nan_infinity_and_negative_zero_are_kept(store: ArrayStore):
    array = np.array([np.nan, -np.inf, -0.0])
    assert store.get(store.put(array)).tobytes() == array.tobytes()


def test_the_array_that_comes_back_is_a_copy_that_may_be_changed(store: ArrayStore):
    key = store.put(ARRAY)
    store.get(key)[:] = 0
    assert (store.get(key) == ARRAY).all()


def test_the_hash_is_of_dtype_shape_and_values(store: ArrayStore):
    differ = [
        ARRAY,
        ARRAY + 1,
        ARRAY.reshape(6, 4),
        ARRAY.reshape(-1),
        ARRAY.astype(np.float64),
        ARRAY.view(np.int32),
    ]
    assert len({store.put(array) for array in differ}) == len(differ)
    header = b'{"dtype":"<f4","shape":[2,3,4]}\n'  # pinned: checkpoints hold these hashes
    assert store.put(ARRAY) == sha256(header + ARRAY.tobytes()).hexdigest()


def test_the_memory_layout_makes_no_difference(store: ArrayStore):
    doubled = np.repeat(ARRAY, 2, axis=2)[:, :, ::2]
    same = [ARRAY, np.asfortranarray(ARRAY), doubled, ARRAY.astype(">f4"), ARRAY[::-1][::-1]]
    (key,) = {store.put(array) for array in same}
    assert (store.get(key) == ARRAY).all()
    assert len(list(store.folder.iterdir())) == 1


def test_the_file_is_an_npy_file(store: ArrayStore):
    store.put(ARRAY)
    assert (np.load(only_file(store), allow_pickle=False) == ARRAY).all()


@pytest.mark.parametrize(
    "array",
    [
        np.array([print, None], dtype=object),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        np.zeros(2, dtype=[("a", "i4"), ("b", "O")]),
    ],
)
def test_arrays_of_anything_else_are_refused(store: ArrayStore, array: np.ndarray):
    with pytest.raises(TypeError, match="numbers and bools"):
        store.put(array)
    assert not list(store.folder.iterdir())


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value", [None, True, 0, -1.5, "", "é🦜\n", [], {}, {"b": [1, {"a": None}], "a": "x"}]
)
def test_json_values_come_back(store: ArrayStore, value: Any):
    key = store.put_json(value)
    assert store.get_json(key) == value
    assert key == content_key(value)


def test_values_that_are_no_json_are_refused(store: ArrayStore):
    for wrong in (b"", {1: 2}, object()):
        with pytest.raises(TypeError):
            store.put_json(wrong)  # pyright: ignore
    with pytest.raises(ValueError, match="JSON"):
        store.put_json([float("nan")])
    assert not list(store.folder.iterdir())


# ── absent, damaged, hostile ─────────────────────────────────────────────────────────────────────


def test_what_is_absent_is_an_error_that_names_it(store: ArrayStore):
    for get in (store.get, store.get_json):
        with pytest.raises(CacheError, match=f"{ABSENT}.* is missing"):
            get(ABSENT)


@pytest.mark.parametrize(
    "key", ["", "../" * 5 + "etc/passwd", "/etc/passwd", "A" * 64, "0" * 63, "0" * 65, ABSENT + "\n"]
)
def test_a_key_that_is_no_hash_is_an_error_and_opens_nothing(store: ArrayStore, key: str):
    for get in (store.get, store.get_json):
        with pytest.raises(CacheError, match="no content hash"):
            get(key)


def test_every_change_of_a_byte_and_every_cut_is_noticed(store: ArrayStore):
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    key = store.put(array)
    path = only_file(store)
    content = path.read_bytes()
    changed = [content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :] for i in range(len(content))]
    for other in (*changed, *(content[:i] for i in range(len(content))), content + b"\x00"):
        path.write_bytes(other)
        try:
            got = store.get(key)
        except CacheError as error:
            assert "damaged" in error.message
        else:  # white space of the header has no meaning
            assert got.tobytes() == array.tobytes()
            assert got.dtype == array.dtype
            assert got.shape == array.shape


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")


class Payload:
    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.made),))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk" * 100,
        b"PK\x03\x04" + b"\x00" * 100,
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999,)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}") + b"\x00" * 4,
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, -1)}"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
        header("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}") + b"\x00" * 4,
        header("__import__('os').mkdir('ran')"),
        header("(" * 5000),
        header("{'descr': '''"),
        header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}") + b"\x00" * 4,
        header("{'descr': '<V4', 'fortran_order': False, 'shape': (1,)}") + b"\x00" * 4,
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x09\x00" + b"\x00" * 50,
    ],
)
def test_a_hostile_file_is_an_error(store: ArrayStore, content: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(store.folder)
    (store.folder / f"{ABSENT}.npy").write_bytes(content)
    with pytest.raises(CacheError, match="damaged"):
        store.get(ABSENT)
    assert [bad.key for bad in store.verify().bad] == [ABSENT]
    assert not (store.folder / "ran").exists()


def test_a_pickled_array_is_never_unpickled(store: ArrayStore, tmp_path: Path):
    path = store.folder / f"{ABSENT}.npy"
    np.save(path, np.array([Payload(tmp_path / "ran")], dtype=object), allow_pickle=True)
    for content in (path.read_bytes(), pickle.dumps(Payload(tmp_path / "ran"))):
        path.write_bytes(content)
        with pytest.raises(CacheError, match="damaged"):
            store.get(ABSENT)
    assert not (tmp_path / "ran").exists()


def test_a_whole_file_swapped_for_another_is_noticed(store: ArrayStore):
    one, other = store.put(ARRAY), store.put(ARRAY + 1)
    (store.folder / f"{one}.npy").write_bytes((store.folder / f"{other}.npy").read_bytes())
    with pytest.raises(CacheError, match="another hash"):
        store.get(one)
    one, other = store.put_json(1), store.put_json(2)
    (store.folder / f"{one}.json").write_bytes(b"2")
    with pytest.raises(CacheError, match="another hash"):
        store.get_json(one)


def test_a_put_heals_a_damaged_file(store: ArrayStore):
    key = store.put(ARRAY)
    path = only_file(store)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.verify().ok
    assert store.put(ARRAY) == key
    assert (store.get(key) == ARRAY).all()
    assert store.verify().ok


# ── the folder, full disks, interruptions ────────────────────────────────────────────────────────


def test_the_folder_and_its_files_are_private(store: ArrayStore):
    store.put(ARRAY)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_file(store).stat().st_mode) == 0o600


def test_a_read_only_folder_can_be_read_but_not_written(ordinary_user: Path):
    store = ArrayStore(ordinary_user / "s")
    key = store.put(ARRAY)
    store.folder.chmod(0o500)
    store = ArrayStore(ordinary_user / "s")
    assert (store.get(key) == ARRAY).all()
    with pytest.raises(CacheError, match="writable"):
        store.put(ARRAY + 1)


def test_a_full_disk_raises_and_leaves_nothing(
    store: ArrayStore, full_disk: Callable[[int], AbstractContextManager[None]]
):
    key = store.put(ARRAY)
    large = np.zeros(100_000)
    with full_disk(50_000), pytest.raises(CacheError, match="disk is not full"):
        store.put(large)
    assert [path.stem for path in store.folder.iterdir()] == [key]
    assert (store.get(store.put(large)) == large).all()


def test_a_write_cut_short_is_not_taken_for_the_array(store: ArrayStore, monkeypatch: pytest.MonkeyPatch):
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(folders.os, "fsync", fail)
        with pytest.raises(CacheError, match="No space left"):
            store.put(ARRAY)
        with pytest.raises(CacheError, match="No space left"):
            store.put_json([1])
    assert not list(store.folder.iterdir())


def test_the_file_is_flushed_before_it_gets_its_name(store: ArrayStore, monkeypatch: pytest.MonkeyPatch):
    seen: list[list[str]] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        seen.append([path.suffix for path in store.folder.iterdir()])
        real(descriptor)

    monkeypatch.setattr(folders.os, "fsync", watched)
    store.put(ARRAY)
    assert seen == [[".tmp"], [".npy"]]  # the file, then the folder


def test_two_stores_on_one_folder_share_what_is_put(store: ArrayStore):
    other = ArrayStore(store.folder)
    assert (other.get(store.put(ARRAY)) == ARRAY).all()
    assert other.put(ARRAY) == store.put(ARRAY)
    assert store.stats().entries == 1


# ── looking after it ─────────────────────────────────────────────────────────────────────────────


def test_stats_and_verify_count_both_kinds_and_ignore_strangers(store: ArrayStore):
    assert store.stats().entries == 0
    assert store.stats().oldest is None
    store.put(ARRAY)
    store.put_json([1])
    (store.folder / "notes.json").write_text("{")
    (store.folder / "notes.npy").write_text("")
    stats = store.stats()
    assert stats.entries == 2
    assert stats.bytes == sum(path.stat().st_size for path in store.folder.iterdir()) - 1
    assert stats.oldest and stats.oldest.endswith("+00:00")
    assert store.verify().model_dump() == {"checked": 2, "bad": ()}


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_prune_removes_by_age_of_the_last_put(store: ArrayStore):
    keys = [store.put(ARRAY + i) for i in range(4)]
    for days, key in enumerate(keys):
        age(store.folder / f"{key}.npy", days + 0.1)
    store.put(ARRAY + 3)  # put again: is young again
    assert store.prune(1) == 2
    assert {path.stem for path in store.folder.iterdir()} == {keys[0], keys[3]}
    with pytest.raises(ValueError, match="negative"):
        store.prune(-1)


def test_clear_removes_ours_and_nothing_else(store: ArrayStore):
    store.put(ARRAY)
    store.put_json([1])
    (store.folder / "notes.txt").write_text("")
    (store.folder / "notes.json").write_text("")
    left, busy = (store.folder / f".{ABSENT}.npy.{n}.tmp" for n in (1, 2))
    left.write_text("")
    age(left, 1)
    busy.write_text("")
    assert store.clear() == 2
    assert {path.name for path in store.folder.iterdir()} == {"notes.txt", "notes.json", busy.name}


def test_a_file_that_another_process_removes_meanwhile_is_no_error(
    store: ArrayStore, monkeypatch: pytest.MonkeyPatch
):
    store.put(ARRAY)
    gone = store.folder / f"{ABSENT}.npy"
    real = store._files
    monkeypatch.setattr(store, "_files", lambda: [gone, *real()])
    assert store.stats().entries == 1
    assert store.clear() == 1
