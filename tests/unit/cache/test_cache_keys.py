import hashlib
import json
from enum import StrEnum

import pytest

from fieldmark.cache.keys import canonical_json, content_key, digest


def test_keys_are_sorted_white_space_is_gone_and_text_stands_as_given():
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.5,null,true]}'


def test_the_order_of_object_keys_makes_no_difference_but_the_order_of_lists_does():
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key([1, 2]) != content_key([2, 1])


def test_a_tuple_is_a_list():
    assert canonical_json((1, (2, 3))) == canonical_json([1, [2, 3]])


def test_text_is_not_normalised():
    composed, decomposed = "\u00e9", "e\u0301"
    assert content_key(composed) != content_key(decomposed)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0, False), ("1", 1), (None, "null"), ([], {}), ("", None), ([[1], 2], [1, [2]])],
)
def test_values_that_differ_have_different_keys(one: object, other: object):
    assert content_key(one) != content_key(other)


def test_canonical_json_is_json():
    value = {
        "text": 'quote " backslash \\ braces {} \u2028 emoji 🦜 nul \x00',
        "n": [0.1, 1e300, -0.0, 10**30],
    }
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused(number: float):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": [number]})


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), {"a": b""}, [1j]])
def test_other_types_are_refused(value: object):
    with pytest.raises(TypeError, match="no canonical JSON"):
        canonical_json(value)


@pytest.mark.parametrize("key", [1, None, True, 2.5, (1, 2)])
def test_object_keys_that_are_no_text_are_refused(key: object):
    # json.dumps would write 1 and "1" alike.
    with pytest.raises(TypeError, match="string"):
        canonical_json({key: 1})


def test_a_lone_surrogate_is_refused_with_a_plain_value_error():
    for value in ("\ud800", {"\udfff": 1}):
        with pytest.raises(ValueError, match="surrogate"):
            canonical_json(value)


def test_a_value_that_contains_itself_is_refused_but_a_shared_one_is_fine():
    loop: list[object] = []
    loop.append({"again": loop})
    with pytest.raises(ValueError, match="itself"):
        canonical_json(loop)
    shared = [1]
    assert canonical_json([shared, shared]) == "[[1],[1]]"


def test_a_text_enum_counts_as_its_text():
    class Colour(StrEnum):
        RED = "red"

    assert canonical_json([Colour.RED]) == '["red"]'


def test_content_key_is_sha256_of_the_canonical_json():
    # Pinned: a change would lose every answer that was paid for.
    assert content_key({"b": 1, "a": ["é"]}) == hashlib.sha256('{"a":["é"],"b":1}'.encode()).hexdigest()
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
