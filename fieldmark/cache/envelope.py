"""Wraps a stored value with its key, schema tag and checksum, so that a wrong one is detected.

The checksum finds damage and mix-ups; it is no signature.
"""

import hashlib
import logging

_log = logging.getLogger(__name__)

_MAGIC = b"FMV1"
_DIGEST_BYTES = 32
_MOST_SCHEMA_BYTES = 255


class DamagedValueError(Exception):
    """Stored bytes that are not the value asked for; the message says why."""


def seal(value: bytes, *, key: str, schema: str) -> bytes:
    """Wrap `value` for storage.

    Layout: 4 bytes magic, 32 bytes SHA-256, 1 byte length of the tag, the tag (UTF-8), the value. The
    checksum covers key, tag and value, so that a value moved to another key is noticed as well.

    Raises:
        ValueError: A schema tag that is empty or longer than 255 bytes.
    """
    tag = _tag(schema)
    return b"".join((_MAGIC, _checksum(value, key=key, tag=tag), bytes([len(tag)]), tag, value))


def unseal(sealed: bytes, *, key: str, schema: str | None) -> bytes:
    """Take the value out again.

    Args:
        sealed: What `seal` returned.
        key: The key it was stored under.
        schema: The tag it must carry; `None` accepts any.

    Raises:
        DamagedValueError: Not a sealed value, damaged, of another key, or of another schema.
        ValueError: A schema tag that is empty or longer than 255 bytes.
    """
    start = len(_MAGIC) + _DIGEST_BYTES + 1
    if len(sealed) < start or not sealed.startswith(_MAGIC):
        raise DamagedValueError("not a value that was stored by this version")
    end = start + sealed[start - 1]
    tag, value = sealed[start:end], sealed[end:]
    if _checksum(value, key=key, tag=tag) != sealed[len(_MAGIC) : start - 1]:
        raise DamagedValueError("wrong checksum")
    if schema is not None and tag != _tag(schema):
        raise DamagedValueError(f"schema {tag.decode('utf-8', 'replace')!r} where {schema!r} was asked for")
    return value


def checked_key(key: str) -> str:
    """The key, which must be a `str` that is not empty; anything else is a `TypeError`."""
    if type(key) is not str or not key:
        raise TypeError("A cache key must be a str that is not empty.")
    return key


def checked_value(value: bytes) -> bytes:
    """The value, which must be `bytes`; anything else is a `TypeError`."""
    if type(value) is not bytes:
        raise TypeError(f"A cache value must be bytes, not {type(value).__name__}.")
    return value


def log_refused(key: str, reason: str) -> None:
    """Log that a stored value cannot be returned."""
    _log.warning("A stored value was refused and counts as absent (key %.80r): %s.", key, reason)


def _tag(schema: str) -> bytes:
    tag = schema.encode("utf-8")
    if not 0 < len(tag) <= _MOST_SCHEMA_BYTES:
        raise ValueError(f"A schema tag has 1 to {_MOST_SCHEMA_BYTES} bytes, not {len(tag)}.")
    return tag


def _checksum(value: bytes, *, key: str, tag: bytes) -> bytes:
    name = key.encode("utf-8")
    # Lengths before the parts: "ab" + "c" must not check like "a" + "bc".
    hashed = hashlib.sha256(len(name).to_bytes(8, "big") + name + bytes([len(tag)]) + tag)
    hashed.update(value)
    return hashed.digest()
