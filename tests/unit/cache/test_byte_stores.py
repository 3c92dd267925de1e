"""The contract of `ByteStore`, run over every implementation."""

import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from fieldmark.cache.bytestore import ByteStore, DiskByteStore, MemoryByteStore, open_byte_store

Store = DiskByteStore | MemoryByteStore
TAG = "fieldmark.answer/1"


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    if request.param == "memory":
        yield MemoryByteStore()
    else:
        with open_byte_store(tmp_path / "answers") as opened:
            yield opened


def test_it_is_a_byte_store(store: Store):
    typed: ByteStore = store
    assert typed.get("absent", schema=TAG) is None


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"{}", bytes(range(256)) * 5000])
def test_what_is_put_is_got(store: Store, value: bytes):
    store.put("k", value, schema=TAG)
    assert store.get("k", schema=TAG) == value
    assert store.refused == 0


def test_a_pickle_is_bytes_like_any_other(store: Store):
    value = b"cos\nsystem\n(S'exit 1'\ntR."
    store.put("k", value, schema=TAG)
    assert store.get("k", schema=TAG) == value


def test_a_later_put_takes_the_place_of_an_earlier_one(store: Store):
    store.put("k", b"first", schema="a/1")
    store.put("k", b"second", schema="b/1")
    assert store.get("k", schema="b/1") == b"second"
    assert store.get("k", schema="a/1") is None


@pytest.mark.parametrize(
    "keys", [("a", "b"), ("a", "A"), ("1", "01"), ("é", "e\u0301"), ("k", "k "), ("%", "_")]
)
def test_keys_that_differ_do_not_meet(store: Store, keys: tuple[str, str]):
    store.put(keys[0], b"0", schema=TAG)
    assert store.get(keys[1], schema=TAG) is None
    store.put(keys[1], b"1", schema=TAG)
    assert [store.get(key, schema=TAG) for key in keys] == [b"0", b"1"]


@pytest.mark.parametrize("key", ["'; DROP TABLE Cache; --", "../../etc/passwd", "🦜" * 300, "a\nb", "$HOME"])
def test_any_text_is_a_key(store: Store, key: str):
    store.put(key, b"v", schema=TAG)
    assert store.get(key, schema=TAG) == b"v"


def test_another_schema_is_a_logged_and_counted_miss(store: Store, caplog: pytest.LogCaptureFixture):
    store.put("k", b"v", schema="fieldmark.answer/1")
    with caplog.at_level(logging.WARNING):
        assert store.get("k", schema="fieldmark.answer/2") is None
    (record,) = caplog.records
    assert "fieldmark.answer/1" in record.getMessage()
    assert store.refused == 1
    assert store.get("k", schema="fieldmark.answer/1") == b"v"


def test_an_absent_key_is_not_logged(store: Store, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        assert store.get("absent", schema=TAG) is None
    assert not caplog.records
    assert store.refused == 0


@pytest.mark.parametrize("key", ["", 1, None, b"k", ("k",)])
def test_a_key_that_is_no_text_is_an_error(store: Store, key: object):
    with pytest.raises(TypeError, match="key"):
        store.put(key, b"v", schema=TAG)  # pyright: ignore
    with pytest.raises(TypeError, match="key"):
        store.get(key, schema=TAG)  # pyright: ignore


@pytest.mark.parametrize("value", ["text", None, 1, bytearray(b"v"), memoryview(b"v"), {"a": 1}])
def test_a_value_that_is_not_bytes_is_an_error_and_leaves_what_was_there(store: Store, value: object):
    store.put("k", b"before", schema=TAG)
    with pytest.raises(TypeError, match="bytes"):
        store.put("k", value, schema=TAG)  # pyright: ignore
    assert store.get("k", schema=TAG) == b"before"


@pytest.mark.parametrize("schema", ["", "x" * 256])
def test_a_schema_tag_that_does_not_fit_is_an_error(store: Store, schema: str):
    with pytest.raises(ValueError, match="schema tag"):
        store.put("k", b"v", schema=schema)
    assert store.get("k", schema=TAG) is None


def test_a_key_with_a_lone_surrogate_is_a_value_error(store: Store):
    with pytest.raises(ValueError, match="surrogates"):
        store.put("\ud800", b"v", schema=TAG)


@pytest.mark.parametrize("key", ["k", "../../etc/passwd", "🦜" * 300, "a\nb"])
def test_a_claim_holds_until_it_ends(store: Store, key: str):
    for _ in range(2):
        with store.claim(key) as ours, store.claim("another") as also:
            assert ours
            assert also


def test_what_another_claims_is_not_ours_until_it_ends(tmp_path: Path):
    with open_byte_store(tmp_path / "a") as one, open_byte_store(tmp_path / "a") as other:
        with one.claim("k") as ours, other.claim("k") as theirs:
            assert (ours, theirs) == (True, False)
        with other.claim("k") as theirs:
            assert theirs
        assert list((tmp_path / "a" / "claims").iterdir()) == []
        assert one.stats().entries == 0
