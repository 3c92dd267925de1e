"""The history of a search: one line for each scored candidate, safe against a kill between two lines."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.state import OptimizeState
from fieldmark.cache.background_writer import BackgroundWriter
from fieldmark.errors import RunError
from fieldmark.reading import check_regular, open_regular
from fieldmark.tools.runs.events import GenerationScored
from fieldmark.tools.search.candidates import PromptCandidate
from fieldmark.tools.search.generation import ScoredCandidate

HISTORY = "history.jsonl"
CURVE = "generations.jsonl"
KNOWN = 16
"""Sets of candidates that are kept in memory beside the disk."""
_BITS = (1 << 64) - 1
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Journal:
    """A file that only grows, cut back to what the last checkpoint knew of.

    Args:
        path: The file.
        size: Bytes that the checkpoint knows of; what a killed process wrote beyond them is cut off.
        later: Does the writing.
    """

    def __init__(self, path: Path, size: int, later: BackgroundWriter) -> None:
        self.path = path
        self.size = size
        self._later = later

    def append(self, lines: Iterable[str]) -> int:
        """Append lines of JSON, soon, and return the size that the file then has."""
        data, start = "".join([line + "\n" for line in lines]).encode(), self.size
        self._later.hand(lambda: _write_from(self.path, start, data))
        self.size += len(data)
        return self.size


def _write_from(path: Path, start: int, data: bytes) -> None:
    """Put data at a place in a file, with nothing behind it, and flush it to the disk."""
    path.touch()
    check_regular(path)
    with path.open("r+b") as file:
        if file.seek(0, os.SEEK_END) < start:
            raise RunError(
                f"{path} is shorter than when the run stopped.",
                hint="Start a new run: something else changed this file.",
            )
        file.truncate(start)
        file.seek(start)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def history_lines(
    scored: Sequence[ScoredCandidate],
    *,
    stage: str,
    generation: int,
    names: Sequence[int] | None,
    around: int = 0,
) -> Iterator[str]:
    """The lines of what a generation scored, as `json.dumps` writes them.

    They are put together by hand, as nine tenths of a line are numbers of parts, and there are many.

    Args:
        scored: What was scored.
        stage: "templates", "sampling" or "classes".
        generation: Its number, counted over the run.
        names: Number, in the pool, of each part of the menu; None where they are the same.
        around: Key of the parts that stood still.
    """
    named = str if names is None else list(map(str, names)).__getitem__
    about = f'"stage": {json.dumps(stage)}, "generation": {generation}'
    quoted = lru_cache(_quoted)  # there are few operators
    for row in scored:
        parent = "null" if row.parent is None else f'"{whole_id(row.parent, around)}"'
        edit = "null"
        if row.edit is not None:
            added, removed = (", ".join(map(named, parts)) for parts in (row.edit.added, row.edit.removed))
            edit = f'{{"by": {quoted(row.edit.by)}, "added": [{added}], "removed": [{removed}]}}'
        yield (
            f'{{"id": "{whole_id(row.key, around)}", "parent": {parent}, {about}, "edit": {edit}, '
            f'"fitness": {_number(row.fitness)}, "top1": {_number(round(row.top1, 6))}}}'
        )


def _number(value: float) -> str:
    """A number as `json.dumps` writes it."""
    return repr(value) if isfinite(value) else json.dumps(value)


def whole_id(key: int, around: int = 0) -> str:
    """Id of the whole book of which `key` is the moving part."""
    return f"{(key + around) & _BITS:016x}"


def seen_keys(context: OptimizeContext, size: int) -> set[int]:
    """Keys of every candidate ever scored, read from the history where this process does not know them."""
    kept = context.memo.get("seen")
    if isinstance(kept, tuple) and kept[0] == size:
        return kept[1]  # pyright: ignore[reportUnknownVariableType]
    seen: set[int] = set()
    path = context.run.path / HISTORY
    if size:
        with open_regular(path) as file:
            for line in file.read(size).splitlines():
                seen.add(int(json.loads(line)["id"], 16))
    return seen


def keep_seen(context: OptimizeContext, size: int, seen: set[int]) -> None:
    """Remember the keys for the history of that size."""
    context.memo["seen"] = (size, seen)


def put_candidates(context: OptimizeContext, candidates: Sequence[PromptCandidate]) -> str:
    """Store candidates, soon; the state holds their hash."""
    rows: JsonValue = [
        {"parts": list(c.parts), "key": f"{c.key:x}", "fitness": c.fitness} for c in candidates
    ]
    name = context.arrays.put_json(rows, later=context.later)
    known = _candidates_known(context)
    known.pop(name, None)
    known[name] = tuple(candidates)
    while len(known) > KNOWN:
        del known[next(iter(known))]
    return name


def get_candidates(context: OptimizeContext, name: str) -> tuple[PromptCandidate, ...]:
    """Candidates that were stored."""
    known = _candidates_known(context)
    if name in known:
        return known[name]
    context.later.settle()
    rows: list[dict[str, object]] = context.arrays.get_json(name)  # pyright: ignore
    return tuple(
        PromptCandidate(tuple(row["parts"]), int(str(row["key"]), 16), float(str(row["fitness"])))  # pyright: ignore
        for row in rows
    )


def _candidates_known(context: OptimizeContext) -> dict[str, tuple[PromptCandidate, ...]]:
    """Candidates by their hash, those stored last; they need not be on the disk yet."""
    return cast("dict[str, tuple[PromptCandidate, ...]]", context.memo.setdefault("candidates", {}))


def recorded(
    state: OptimizeState,
    scored: tuple[ScoredCandidate, ...],
    context: OptimizeContext,
    *,
    stage: str,
    best: PromptCandidate,
    seen: set[int] | None = None,
    names: tuple[int, ...] | None = None,
    around: int = 0,
    before: PromptCandidate | None = None,
) -> dict[str, Any]:
    """Write what a generation scored into the history, and count it.

    Args:
        state: The state before.
        scored: What was scored.
        context: The run.
        stage: "templates", "sampling" or "classes".
        best: The fittest candidate now; of the templates, or a whole book.
        before: The fittest book before; None where there was none.
        seen: Keys of everything ever scored, if the caller has them.
        names: Number, in the pool, of each part of the menu.
        around: Key of the parts that stood still.
    """
    number = state.generations + 1
    history = Journal(context.run.path / HISTORY, state.history_size, context.later)
    size = history.append(history_lines(scored, stage=stage, generation=number, names=names, around=around))
    if seen is None:
        seen = seen_keys(context, state.history_size) | {row.key for row in scored}
    keep_seen(context, size, seen)
    curve = Journal(context.run.path / CURVE, state.curve_size, context.later)
    row = {
        "generation": number,
        "stage": stage,
        "best": whole_id(best.key),
        "fitness": best.fitness,
        "scored": len(scored),
        **change(before, best if stage != "templates" else None),
    }
    curve_size = curve.append([json.dumps(row, ensure_ascii=False)])
    context.progress(
        GenerationScored(
            number=number,
            stage=stage,
            fitness=best.fitness,
            scored=len(scored),
            candidates=state.candidates + len(scored),
            texts=context.encoder.usage.texts_encoded,
        )
    )
    return {
        "generations": number,
        "candidates": state.candidates + len(scored),
        "history_size": size,
        "curve_size": curve_size,
    }


def change(before: PromptCandidate | None, best: PromptCandidate | None) -> dict[str, JsonValue]:
    """What the fittest book has more and less than the one before it."""
    old, new = (set(each.parts) if each else set[int]() for each in (before, best))
    return {"added": list[JsonValue](sorted(new - old)), "removed": list[JsonValue](sorted(old - new))}
