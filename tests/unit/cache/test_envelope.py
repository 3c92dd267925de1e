import hashlib

import pytest

from fieldmark.cache.envelope import DamagedValueError, seal, unseal

SEALED = seal(b"value", key="key", schema="tag/1")


@pytest.mark.parametrize("value", [b"", b"v", b"\x00" * 100_000])
def test_what_is_sealed_comes_out_again(value: bytes):
    sealed = seal(value, key="k", schema="tag/1")
    assert unseal(sealed, key="k", schema="tag/1") == value
    assert unseal(sealed, key="k", schema=None) == value


def test_a_change_of_any_single_byte_is_noticed():
    for i in range(len(SEALED)):
        changed = SEALED[:i] + bytes([SEALED[i] ^ 1]) + SEALED[i + 1 :]
        with pytest.raises(DamagedValueError):
            unseal(changed, key="key", schema="tag/1")


def test_every_shortening_and_any_lengthening_is_noticed():
    for end in range(len(SEALED)):
        with pytest.raises(DamagedValueError):
            unseal(SEALED[:end], key="key", schema=None)
    with pytest.raises(DamagedValueError):
        unseal(SEALED + b"\x00", key="key", schema=None)


def test_a_value_of_another_key_is_noticed():
    with pytest.raises(DamagedValueError, match="checksum"):
        unseal(SEALED, key="other", schema="tag/1")


def test_another_schema_is_named():
    with pytest.raises(DamagedValueError, match=r"'tag/1' where 'tag/2'"):
        unseal(SEALED, key="key", schema="tag/2")


def test_the_border_between_tag_and_value_counts():
    with pytest.raises(DamagedValueError):
        unseal(seal(b"bc", key="k", schema="a"), key="k", schema="ab")


@pytest.mark.parametrize("schema", ["", "x" * 256, "é" * 128])
def test_a_tag_that_does_not_fit_is_an_error(schema: str):
    with pytest.raises(ValueError, match="schema tag"):
        seal(b"", key="k", schema=schema)


def test_the_layout_is_pinned():
    # A change of it turns every stored answer into a miss.
    assert SEALED[:4] == b"FMV1"
    assert SEALED[36:] == bytes([5]) + b"tag/1" + b"value"
    covered = (3).to_bytes(8, "big") + b"key" + bytes([5]) + b"tag/1" + b"value"
    assert SEALED[4:36] == hashlib.sha256(covered).digest()
