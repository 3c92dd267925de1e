import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from fieldmark.cache.bytestore import MemoryByteStore, open_byte_store
from fieldmark.tools.annotate.verdict_store import VERDICT_SCHEMA, StoredVerdict, VerdictStore, verdict_key

SAID = StoredVerdict(finding="yes", p=0.9, seen="A red bird.", rationale="It is red.")
PLACE = {"image": "a" * 64, "text": "The bird is red.", "annotator": "m@e/judge.v1"}


def test_a_verdict_is_found_again_by_another_process(tmp_path: Path) -> None:
    with open_byte_store(tmp_path / "store") as store:
        VerdictStore(store).put(SAID, **PLACE)
    with open_byte_store(tmp_path / "store") as store:
        assert VerdictStore(store).get(**PLACE) == SAID
        assert store.verify().bad == ()


def test_where_it_is_refreshed_only_what_was_put_since_is_read() -> None:
    kept = MemoryByteStore()
    VerdictStore(kept).put(SAID, **PLACE)
    renewing = VerdictStore(kept, refresh=True)
    assert renewing.get(**PLACE) is None
    anew = SAID.model_copy(update={"p": 0.7})
    renewing.put(anew, **PLACE)
    assert renewing.get(**PLACE) == VerdictStore(kept).get(**PLACE) == anew


@pytest.mark.parametrize("changed", [{"image": "b" * 64}, {"text": "The bird is red"}, {"annotator": "n"}])
def test_another_image_clause_or_annotator_has_another_verdict(changed: dict[str, str]) -> None:
    store = VerdictStore(MemoryByteStore())
    store.put(SAID, **PLACE)
    assert store.get(**{**PLACE, **changed}) is None


@pytest.mark.parametrize(
    "stored",
    [
        b"\xff",
        b"{}",
        b'{"finding": "out", "p": 0.1}',
        b'{"finding": "yes", "p": null}',
        b'{"finding": "abstain", "p": 0.5}',
        b'{"finding": "yes", "p": 1.5}',
        b'{"finding": "refused", "p": null}',
        json.dumps({**SAID.model_dump(), "label": "in"}).encode(),
    ],
)
def test_what_is_no_verdict_is_a_logged_miss(stored: bytes, caplog: pytest.LogCaptureFixture) -> None:
    bytes_store = MemoryByteStore()
    bytes_store.put(verdict_key(**PLACE), stored, schema=VERDICT_SCHEMA)
    assert VerdictStore(bytes_store).get(**PLACE) is None
    assert "asking again" in caplog.text


def test_a_value_of_another_kind_is_no_verdict() -> None:
    bytes_store = MemoryByteStore()
    bytes_store.put(verdict_key(**PLACE), SAID.model_dump_json().encode(), schema="fieldmark.answer/1")
    assert VerdictStore(bytes_store).get(**PLACE) is None
    assert bytes_store.refused == 1


def test_refusals_cannot_be_stored() -> None:
    with pytest.raises(ValidationError):
        StoredVerdict.model_validate({"finding": "refused", "p": None})


def test_a_text_that_is_no_unicode_has_a_place_of_its_own() -> None:
    assert verdict_key(**{**PLACE, "text": "\ud83d"}) != verdict_key(**{**PLACE, "text": "?"})
