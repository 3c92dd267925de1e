"""The contract of `ByteStore`, run over every implementation."""

import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from fieldmark.cache.bytestore import (
    ByteStore,
    DiskByteStore,
    LastingByteStore,
    MemoryByteStore,
    open_byte_store,
)
from fieldmark.cache.redis_store import RedisByteStore, open_redis_store
from tests.servers import RedisServer

Lasting = DiskByteStore | RedisByteStore
Store = Lasting | MemoryByteStore
TAG = "fieldmark.answer/1"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["disk", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is that lasts: a folder or a server, empty."""
    if request.param == "disk":
        return str(tmp_path / "answers")
    server: RedisServer = request.getfixturevalue("redis")
    server.client().flushall()
    return server.url


def opened(address: str) -> Lasting:
    return open_redis_store(address) if address.startswith("redis") else open_byte_store(address)


@pytest.fixture(params=["memory", "disk", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    if request.param == "memory":
        yield MemoryByteStore()
        return
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.client().flushall()
        where = server.url
    else:
        where = str(tmp_path / "answers")
    with opened(where) as lasting:
        yield lasting


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


def test_what_another_claims_is_not_ours_until_it_ends(address: str):
    with opened(address) as one, opened(address) as other:
        with one.claim("k") as ours, other.claim("k") as theirs:
            assert (ours, theirs) == (True, False)
        with other.claim("k") as theirs:
            assert theirs
        assert one.stats().entries == 0


def test_claims_on_a_disk_leave_no_file(tmp_path: Path):
    with open_byte_store(tmp_path / "a") as store:
        with store.claim("k"):
            assert len(list((tmp_path / "a" / "claims").iterdir())) == 1
        assert list((tmp_path / "a" / "claims").iterdir()) == []


def test_what_lasts_is_counted_checked_and_removed(address: str):
    with opened(address) as store:
        lasting: LastingByteStore = store
        assert (lasting.stats().entries, lasting.stats().oldest) == (0, None)
        assert lasting.verify().ok
        for number in range(1200):
            store.put(f"k{number}", b"v" * number, schema=TAG)
        with store.claim("k0"):
            stats = lasting.stats()
            assert stats.entries == 1200
            assert stats.bytes >= 1200 * 1199 / 2
            assert stats.oldest is not None
            assert stats.newest is not None
            assert (lasting.verify().checked, lasting.verify().bad) == (1200, ())
            assert lasting.prune(1) == 0
            with pytest.raises(ValueError, match="negative"):
                lasting.prune(-1)
            assert lasting.prune(0) == 1200
        store.put("again", b"v", schema=TAG)
        assert lasting.clear() == 1
        assert lasting.clear() == 0
        assert store.get("again", schema=TAG) is None


def test_what_one_puts_another_gets_and_it_lasts(address: str):
    with opened(address) as one, opened(address) as other:
        one.put("k", b"v", schema=TAG)
        assert other.get("k", schema=TAG) == b"v"
    with opened(address) as later:
        assert later.get("k", schema=TAG) == b"v"
        later.close()
        later.close()
