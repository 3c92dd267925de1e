"""Batch files keep to the documented limits."""

from pathlib import Path

import pytest

from fieldmark.errors import InputError, LimitReached
from fieldmark.tools.llm.batches import files as batch
from fieldmark.tools.llm.batches.files import BatchModel, read_replies, write_batch
from tests.unit.tools.llm.llm_cases import KEY, ask_marks


def test_too_many_lines_or_bytes_go_into_further_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (batch.MOST_LINES, batch.MOST_BYTES) == (50_000, 200_000_000)
    monkeypatch.setattr(batch, "MOST_LINES", 3)
    monkeypatch.setattr(batch, "MOST_BYTES", 50)
    lines = [b"1234567890\n"] * 4 + [b"x" * 39 + b"\n"] * 2 + [b"y" * 49 + b"\n"]
    files = write_batch(lines, tmp_path / "ask.jsonl")
    assert [each.name for each in files] == [
        "ask.jsonl",
        "ask-2.jsonl",
        "ask-3.jsonl",
        "ask-4.jsonl",
        "ask-5.jsonl",
    ]
    assert b"".join(each.read_bytes() for each in files) == b"".join(lines)
    assert all(each.stat().st_size <= 50 and each.read_bytes().count(b"\n") <= 3 for each in files)
    with pytest.raises(InputError, match="has 51 bytes"):
        write_batch([b"z" * 51], tmp_path / "ask.jsonl")
    with pytest.raises(InputError, match="cannot be written"):
        write_batch([b"z"], tmp_path / "no" / "ask.jsonl")


async def test_a_model_of_batches_asks_nothing_and_its_file_holds_no_key() -> None:
    from fieldmark.cache.bytestore import MemoryByteStore

    async with BatchModel(
        "m", base_url="http://127.0.0.1:9/v1", api_key=KEY, store=MemoryByteStore(), identity="same"
    ) as model:
        for text in ("one", "two", "one", "three"):
            with pytest.raises(LimitReached, match="waits for a batch"):
                await model.ask(ask_marks(text))
        lines = b"".join(model.lines())
    assert lines.count(b"\n") == len(model.waiting) == 3
    assert KEY.encode() not in lines
    assert model.usage.requests == 0


def test_of_two_results_with_one_id_the_last_counts(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_bytes(b'{"custom_id": "a", "n": 1}\n\n{"custom_id": 1}\n\xff\n{"custom_id": "a", "n": 2}\n')
    found, unreadable = read_replies([file])
    assert (found["a"]["n"], unreadable) == (2, 2)
