"""A byte store in Redis, for many machines at once.

Values are sealed as on a disk, and checked on every read: what does not fit is a miss.
"""

import hashlib
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

from fieldmark.cache.envelope import (
    DamagedValueError,
    checked_key,
    checked_value,
    log_refused,
    seal,
    unseal,
)
from fieldmark.cache.leases import Leases
from fieldmark.cache.reports import BadEntry, StoreStats, VerifyReport, iso_time
from fieldmark.cache.server import ServerAddress, read_server
from fieldmark.errors import CacheError, SettingsError

SETTING = "FIELDMARK_CACHE"
LEASE_S = 30.0
"""How long a claim outlives a process that was killed."""
_VALUE, _CLAIM = b"fieldmark:1:value:", b"fieldmark:1:claim:"
_STAMP = 8
"""Bytes before a sealed value: when it was put, in milliseconds since 1970, big-endian."""
_AT_ONCE = 500
_TIMEOUT_S, _RETRIES = 10.0, 5
_NEVER_EVICTS = "noeviction"
_DELETE_UNCHANGED = """
local gone = 0
for i, key in ipairs(KEYS) do
  if redis.call('GETRANGE', key, 0, 7) == ARGV[i] then gone = gone + redis.call('UNLINK', key) end
end
return gone
"""


class RedisByteStore:
    """A `ByteStore` in Redis, for any number of machines, processes and threads at once.

    Use `open_redis_store` and close it, or use it as a context manager. A put is kept as far as the server
    keeps it: with `appendonly yes` and `appendfsync everysec`, a power cut there may lose the last second.

    Args:
        address: Where the server is.
        lease_s: How long a claim outlives a process that was killed.

    Attributes:
        refused: How many reads found a value that could not be returned.
    """

    def __init__(self, address: ServerAddress, *, lease_s: float = LEASE_S) -> None:
        self._address = address
        self.refused = 0
        self._redis = _client(address)
        self._leases = Leases(self._redis, self._translated, lease_s=lease_s)
        self._facts: dict[str, Any] = {}
        with self._translated():
            self._facts = self._redis.info("memory") | self._redis.info("persistence")
        _check_eviction(address, self._facts)

    @property
    def where(self) -> str:
        """See `LastingByteStore`."""
        return self._address.shown

    @property
    def survives_restart(self) -> bool:
        """Whether the server writes what it holds to its disk as it comes (`appendonly`)."""
        return bool(self._facts.get("aof_enabled"))

    def get(self, key: str, *, schema: str) -> bytes | None:
        """See `ByteStore`.

        Raises:
            CacheError: The server cannot be asked.
        """
        name = _VALUE + checked_key(key).encode("utf-8")
        try:
            with self._translated():
                data = self._redis.get(name)
            return None if data is None else unseal(_unstamped(data), key=key, schema=schema)
        except (DamagedValueError, _OtherKindError) as error:
            self.refused += 1
            log_refused(key, str(error))
            return None

    def put(self, key: str, value: bytes, *, schema: str) -> None:
        """See `ByteStore`.

        Raises:
            CacheError: The value could not be stored.
        """
        sealed = seal(checked_value(value), key=checked_key(key), schema=schema)
        stamp = int(1000 * time.time()).to_bytes(_STAMP, "big")
        with self._translated():
            self._redis.set(_VALUE + key.encode("utf-8"), stamp + sealed)

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """See `ByteStore`; a killed process's claim ends after `lease_s`.

        Raises:
            CacheError: The server cannot be asked.
        """
        return self._leases.claim(_CLAIM + hashlib.sha256(checked_key(key).encode()).digest())

    def stats(self) -> StoreStats:
        """See `LastingByteStore`; what others put or remove meanwhile may be counted or not."""
        entries, size, times = 0, 0, list[float]()
        for names in self._names():
            with self._translated():
                sizes = self._each("strlen", names)
            for stamp, found in zip(self._stamps(names), sizes, strict=True):
                if isinstance(found, int) and found:
                    entries, size = entries + 1, size + found
                    times.append(_seconds(stamp))
                    times = [min(times), max(times)]
        oldest, newest = (iso_time(times[0]), iso_time(times[-1])) if times else (None, None)
        return StoreStats(entries=entries, bytes=size, oldest=oldest, newest=newest)

    def verify(self) -> VerifyReport:
        """See `LastingByteStore`."""
        checked, bad = 0, list[BadEntry]()
        for names in self._names():
            with self._translated():
                values = self._each("get", names)
            for name, value in zip(names, values, strict=True):
                key = name[len(_VALUE) :].decode("utf-8", "replace")
                if value is None:  # removed meanwhile
                    continue
                checked += 1
                try:
                    if not isinstance(value, bytes):
                        raise DamagedValueError("not a value that was stored by this version")
                    unseal(_unstamped(value), key=key, schema=None)
                except DamagedValueError as error:
                    bad.append(BadEntry(key=key[:200], reason=str(error)))
        return VerifyReport(checked=checked, bad=tuple(bad))

    def prune(self, older_than_days: float) -> int:
        """See `LastingByteStore`.

        Raises:
            ValueError: A negative age.
        """
        if older_than_days < 0:
            raise ValueError(f"An age must not be negative: {older_than_days}.")
        before = time.time() - older_than_days * 86_400
        removed = 0
        for names in self._names():
            old = [
                (name, stamp)
                for name, stamp in zip(names, self._stamps(names), strict=True)
                if len(stamp) == _STAMP and _seconds(stamp) < before
            ]
            if old:
                with self._translated():  # what was put anew since its time was read stays
                    removed += self._redis.eval(_DELETE_UNCHANGED, len(old), *_columns(old))
        return removed

    def clear(self) -> int:
        """See `LastingByteStore`; claims stay, and so does whatever is not Fieldmark's."""
        removed = 0
        for names in self._names():
            with self._translated():
                removed += self._redis.unlink(*names)
        return removed

    def close(self) -> None:
        """Close the connections; closing twice is fine."""
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _names(self) -> Iterator[list[bytes]]:
        """The names of all values, in lists."""
        cursor, last = 0, False
        while not last:
            with self._translated():
                cursor, names = self._redis.scan(cursor, match=_VALUE + b"*", count=_AT_ONCE)
            last = not cursor
            if names:
                yield names

    def _stamps(self, names: list[bytes]) -> list[bytes]:
        """When each value was put, as it is written before it; empty for what is no value."""
        with self._translated():
            found = self._each("getrange", names, 0, _STAMP - 1)
        return [each if isinstance(each, bytes) else b"" for each in found]

    def _each(self, command: str, names: list[bytes], *arguments: int) -> list[object]:
        """What a command gives for each name, errors among it."""
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            getattr(pipeline, command)(name, *arguments)
        return pipeline.execute(raise_on_error=False)

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turn the client's errors into ours, without a password."""
        from redis.exceptions import RedisError

        try:
            yield
        except (RedisError, OSError) as error:
            said = self._address.hide(str(error))
            if said.startswith("WRONGTYPE"):
                raise _OtherKindError("not a value that was stored by this version") from None
            raise CacheError(
                f"The store at {self.where} cannot be used: {said.rstrip('.')}.",
                hint=f"Check {SETTING} and that the server runs, has room and lets this user read and write; "
                "then go on: what was answered is kept.",
            ) from None


class _OtherKindError(CacheError):
    """A key of ours that holds no text: somebody else made it."""


def open_redis_store(url: str, *, lease_s: float = LEASE_S) -> RedisByteStore:
    """Open the byte store of a Redis server.

    Args:
        url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS, whose certificate is always
            checked (`?ssl_ca_certs=FILE` names a certificate authority of your own).
        lease_s: How long a claim outlives a process that was killed.

    Raises:
        SettingsError: It is no such address, or redis-py is not installed.
        CacheError: The server cannot be reached, or drops values to make room.
    """
    files = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
    address = read_server(
        url,
        setting=SETTING,
        schemes={"redis": 6379, "rediss": 6379},
        options=files if url.strip().startswith("rediss") else set(),
        example="redis://HOST:6379/0, or rediss://USER:PASSWORD@HOST:6379/0 for TLS",
    )
    return RedisByteStore(address, lease_s=lease_s)


def _client(address: ServerAddress) -> Any:
    try:
        import redis
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise SettingsError(
            f"{SETTING} names a Redis server, and redis-py is not installed.",
            hint='Install it: pip install "fieldmark[redis]"',
        ) from error
    tls = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    made: Any = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its options have no types
        address.url,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), _RETRIES),
        **(tls if address.shown.startswith("rediss") else {}),
    )
    return made


def _check_eviction(address: ServerAddress, facts: dict[str, Any]) -> None:
    """Refuse a server that would drop answers that were paid for.

    Raises:
        CacheError: It may, or does not say.
    """
    policy = facts.get("maxmemory_policy", "unknown")
    if policy != _NEVER_EVICTS:
        raise CacheError(
            f"The Redis server at {address.shown} may drop answers that were paid for: its maxmemory-policy "
            f"is {policy}.",
            hint="Set it to noeviction (redis-cli CONFIG SET maxmemory-policy noeviction, and in its "
            "configuration), or use a server of its own.",
        )


def _unstamped(data: bytes) -> bytes:
    return data[_STAMP:]


def _seconds(stamp: bytes) -> float:
    return int.from_bytes(stamp, "big") / 1000


def _columns(pairs: list[tuple[bytes, bytes]]) -> list[bytes]:
    """All names, then all stamps."""
    return [name for name, _ in pairs] + [stamp for _, stamp in pairs]
