"""Keys of stored values: SHA-256 of canonical JSON, or of plain bytes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import cast


def canonical_json(value: object) -> str:
    """Write a JSON value in the one form that equal values share.

    Object keys are sorted by code point, there is no white space, and text stands as given: nothing
    is escaped beyond what JSON demands and no Unicode normalisation is applied. `1` and `1.0` are
    different values; a tuple is a list.

    Args:
        value: `None`, a bool, int, finite float, string without lone surrogates, list or tuple of
            such values, or a mapping from strings to such values.

    Returns:
        The JSON text; it can always be encoded as UTF-8.

    Raises:
        TypeError: A value, or an object key, of any other type.
        ValueError: NaN, an infinity, a lone surrogate, or a value that contains itself.
    """
    # Without the walk, json.dumps would write the keys 1 and "1" alike: two values, one key.
    text = json.dumps(
        _checked(value, ()), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("Text with a lone surrogate has no canonical JSON.") from error
    return text


def content_key(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hex digits.

    Raises:
        TypeError: As `canonical_json`.
        ValueError: As `canonical_json`.
    """
    return digest(canonical_json(value).encode("utf-8"))


def digest(data: bytes) -> str:
    """SHA-256 of `data`, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def _checked(value: object, above: tuple[int, ...]) -> object:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if id(value) in above:
        raise ValueError("A value that contains itself has no canonical JSON.")
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        checked: dict[str, object] = {}
        for key, item in cast("Mapping[object, object]", value).items():
            if not isinstance(key, str):
                raise TypeError(f"An object key must be a string, not {type(key).__name__}.")
            checked[key] = _checked(item, inside)
        return checked
    if isinstance(value, (list, tuple)):
        return [_checked(item, inside) for item in cast("Sequence[object]", value)]
    raise TypeError(f"A {type(value).__name__} has no canonical JSON.")
