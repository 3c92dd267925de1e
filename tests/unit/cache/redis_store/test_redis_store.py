"""What the byte store in Redis refuses, hides and checks."""

import logging
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from fieldmark.cache import redis_store
from fieldmark.cache.redis_store import RedisByteStore, open_redis_store
from fieldmark.cache.server import read_server, without_password
from fieldmark.errors import CacheError, SettingsError
from tests.servers import RedisServer, free_port

TAG = "fieldmark.answer/1"
NAME = b"fieldmark:1:value:k"
PASSWORD = "p@ss/w?rd"
QUOTED = "p%40ss%2Fw%3Frd"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def store(server: RedisServer) -> Generator[RedisByteStore]:
    server.client().flushall()
    with open_redis_store(server.url) as opened:
        opened.put("k", b"value", schema=TAG)
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "_RETRIES", 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1] + b"?",
        lambda data: data[:9] + b"?" + data[10:],
        lambda data: b"\x80\x04cos\nsystem\n(S'exit 1'\ntR.",
    ],
)
def test_what_was_tampered_with_is_a_logged_miss_and_replaced(
    server: RedisServer, store: RedisByteStore, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    client = server.client()
    client.set(NAME, spoil(client.get(NAME)))  # pyright: ignore
    with caplog.at_level(logging.WARNING):
        assert store.get("k", schema=TAG) is None
    assert "counts as absent" in caplog.text
    assert store.refused == 1
    assert [each.key for each in store.verify().bad] == ["k"]
    store.put("k", b"anew", schema=TAG)
    assert store.get("k", schema=TAG) == b"anew"


def test_a_value_under_anothers_key_is_a_miss(server: RedisServer, store: RedisByteStore) -> None:
    client = server.client()
    client.copy(NAME, NAME + b"2")
    assert store.get("k2", schema=TAG) is None
    assert [each.reason for each in store.verify().bad] == ["wrong checksum"]


def test_what_is_no_text_is_a_miss_and_does_not_stop_the_rest(
    server: RedisServer, store: RedisByteStore
) -> None:
    client = server.client()
    client.rpush(NAME + b"2", "an entry")
    client.set("another's", "stays")
    assert store.get("k2", schema=TAG) is None
    assert [each.key for each in store.verify().bad] == ["k2"]
    assert store.stats().entries == 1
    assert store.prune(0) == 1
    assert store.clear() == 1
    assert client.get("another's") == b"stays"


def test_a_put_after_its_age_was_read_is_not_pruned(
    store: RedisByteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store._stamps

    def meanwhile(names: list[bytes]) -> list[bytes]:
        stamps = real(names)
        time.sleep(0.002)
        store.put("k", b"newer", schema=TAG)
        return stamps

    monkeypatch.setattr(store, "_stamps", meanwhile)
    assert store.prune(0) == 0
    assert store.get("k", schema=TAG) == b"newer"


# ---------------------------------------------------------------- claims


def test_a_claim_is_renewed_while_it_is_held_and_found_again_by_a_server_that_lost_it(
    server: RedisServer, store: RedisByteStore
) -> None:
    with open_redis_store(server.url, lease_s=0.3) as one, one.claim("k") as ours, one.claim("k2"):
        assert ours
        for _ in range(2):
            time.sleep(0.6)
            with store.claim("k") as theirs, store.claim("k2") as theirs_too:
                assert not theirs
                assert not theirs_too
            server.client().flushall()
    with store.claim("k") as ours, store.claim("k2") as ours_too:
        assert ours
        assert ours_too


def test_giving_back_leaves_anothers_claim(server: RedisServer, store: RedisByteStore) -> None:
    with store.claim("k"):
        server.client().flushall()
        with open_redis_store(server.url) as other, other.claim("k") as theirs:
            assert theirs
            with store.claim("k") as ours:
                assert not ours


# ---------------------------------------------------------------- servers that will not do


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_is_refused(tmp_path: Path, policy: str) -> None:
    with RedisServer(tmp_path, settings={"maxmemory-policy": policy}) as evicting:
        with pytest.raises(CacheError, match=rf"may drop answers .* maxmemory-policy is {policy}") as said:
            open_redis_store(evicting.url)
        assert "CONFIG SET maxmemory-policy noeviction" in said.value.hint
        evicting.client().config_set("maxmemory-policy", "noeviction")
        open_redis_store(evicting.url).close()


def test_a_full_server_stores_nothing_drops_nothing_and_passes(
    server: RedisServer, store: RedisByteStore
) -> None:
    client = server.client()
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(CacheError, match="maxmemory"):
            store.put("large", b"x" * 1000, schema=TAG)
        assert store.get("k", schema=TAG) == b"value"
    finally:
        client.config_set("maxmemory", 0)
    assert store.get("large", schema=TAG) is None
    store.put("large", b"x" * 1000, schema=TAG)


def test_a_server_that_is_not_there_is_said_with_its_address_alone() -> None:
    began = time.monotonic()
    with pytest.raises(CacheError, match=r"store at redis://127\.0\.0\.1:\d+/3 cannot be used") as said:
        open_redis_store(f"redis://me:{QUOTED}@127.0.0.1:{free_port()}/3")
    assert time.monotonic() - began < 60
    assert "FIELDMARK_CACHE" in said.value.hint


def test_a_store_outlives_a_restart_of_its_server(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as mortal, open_redis_store(mortal.url) as store:
        store.put("k", b"value", schema=TAG)
        mortal.kill()
        with pytest.raises(CacheError, match="cannot be used"):
            store.get("k", schema=TAG)
        mortal.start()
        assert store.get("k", schema=TAG) == b"value"
        assert store.survives_restart


def test_a_password_is_used_and_shown_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, impatient: None
) -> None:
    with caplog.at_level(0), RedisServer(tmp_path, password=PASSWORD) as locked:
        url = f"redis://:{QUOTED}@127.0.0.1:{locked.port}/0"
        with open_redis_store(url) as store:
            store.put("k", b"value", schema=TAG)
            assert store.get("k", schema=TAG) == b"value"
            said = [store.where, repr(store), repr(store._address)]
        for wrong in (f"redis://127.0.0.1:{locked.port}", url.replace("rd@", "rX@")):
            with pytest.raises(CacheError) as refused:
                open_redis_store(wrong)
            said += [str(refused.value), repr(refused.value.__cause__)]
        locked.kill()
        with pytest.raises(CacheError) as gone:
            store.get("k", schema=TAG)
        said += [str(gone.value)]
    for text in (*said, caplog.text):
        assert PASSWORD not in text
        assert QUOTED not in text
    assert said[0] == f"redis://127.0.0.1:{locked.port}/0"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "certificate.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    name = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(made))
    subprocess.run(["openssl", "req", "-x509", *kind, *name, *files], check=True, capture_output=True)
    return made, key


def test_tls_is_spoken_and_a_certificate_is_always_checked(
    tmp_path: Path, certificate: tuple[Path, Path], impatient: None
) -> None:
    with RedisServer(tmp_path, tls=(*certificate, certificate[0])) as safe:
        with open_redis_store(safe.url) as store:
            store.put("k", b"value", schema=TAG)
            assert store.get("k", schema=TAG) == b"value"
            assert store.where == f"rediss://127.0.0.1:{safe.port}/0"
        unknown = safe.url.partition("?")[0]
        with pytest.raises(CacheError, match=r"(?i)certificate"):
            open_redis_store(unknown)
        with pytest.raises(CacheError, match="cannot be used"):
            open_redis_store(unknown.replace("rediss", "redis"))
        with pytest.raises(SettingsError, match="not used here: ssl_cert_reqs"):
            open_redis_store(f"{unknown}?ssl_cert_reqs=none")


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url", ["", "redis", "redis://", "http://h/0", "redis://:s3cret@", "redis://:s3cret@h:port", "unix:///a"]
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="FIELDMARK_CACHE is no address") as said:
        open_redis_store(url)
    assert "s3cret" not in str(said.value)
    assert "redis://HOST:6379/0" in said.value.hint


def test_an_address_is_shown_without_what_is_secret() -> None:
    address = read_server(
        "redis://me:s3cr%20t@[::1]/2?ssl_ca_certs=f",
        setting="X",
        schemes={"redis": 6379},
        options={"ssl_ca_certs"},
        example="",
    )
    assert address.shown == "redis://[::1]:6379/2"
    assert address.hide("no s3cr%20t, no s3cr t") == "no [password], no [password]"
    assert "s3cr" not in repr(address)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:word@host:1/0", "redis://host:1/0"),
        ("redis://:wo@rd@host/0?password=word", "redis://host/0"),
        ("postgresql://host/db?password=word", "postgresql://host/db"),
        ("me:word@host/v1", "host/v1"),
        ("me:word@redis://host", "host"),
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1"),
    ],
)
def test_whatever_stands_for_an_address_is_shown_without_a_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
