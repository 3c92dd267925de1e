"""The history of a search: one line for every candidate ever scored, safe against a kill between two lines.

It knows nothing of what candidates are made of or of the graph.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fieldmark.agents.optimize_context import OptimizeContext
from fieldmark.tools.search.candidates import Candidate
from fieldmark.tools.search.generation import Scored

HISTORY = "history.jsonl"
CURVE = "generations.jsonl"
_BITS = (1 << 64) - 1
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Journal:
    """A file that only grows, cut back to what the last checkpoint knew of.

    Args:
        path: The file.
        size: Bytes that the checkpoint knows of; what a killed process wrote beyond them is cut off.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        path.touch()
        if path.stat().st_size != size:
            with path.open("r+b") as file:
                file.truncate(size)

    def append(self, lines: Iterable[str]) -> int:
        """Append lines of JSON and return the size of the file."""
        data = "".join(line + "\n" for line in lines).encode()
        with self.path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.size += len(data)
        return self.size


def history_lines(
    scored: Sequence[Scored], *, stage: str, generation: int, names: Sequence[int] | None, around: int = 0
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
    named = str if names is None else [str(name) for name in names].__getitem__
    about = f'"stage": {json.dumps(stage)}, "generation": {generation}'
    for row in scored:
        parent = "null" if row.parent is None else f'"{whole_id(row.parent, around)}"'
        edit = "null"
        if row.edit is not None:
            added, removed = (", ".join(map(named, parts)) for parts in (row.edit.added, row.edit.removed))
            edit = f'{{"by": {_quoted(row.edit.by)}, "added": [{added}], "removed": [{removed}]}}'
        yield (
            f'{{"id": "{whole_id(row.key, around)}", "parent": {parent}, {about}, "edit": {edit}, '
            f'"fitness": {json.dumps(row.fitness)}, "top1": {json.dumps(round(row.top1, 6))}}}'
        )


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
        with path.open("rb") as file:
            for line in file.read(size).splitlines():
                seen.add(int(json.loads(line)["id"], 16))
    return seen


def keep_seen(context: OptimizeContext, size: int, seen: set[int]) -> None:
    """Remember the keys for the history of that size."""
    context.memo["seen"] = (size, seen)


def put_candidates(context: OptimizeContext, candidates: Sequence[Candidate]) -> str:
    """Store candidates; the state holds their hash."""
    return context.arrays.put_json(
        [{"parts": list(c.parts), "key": f"{c.key:x}", "fitness": c.fitness} for c in candidates]
    )


def get_candidates(context: OptimizeContext, name: str) -> tuple[Candidate, ...]:
    """Candidates that were stored."""
    rows: list[dict[str, object]] = context.arrays.get_json(name)  # pyright: ignore
    return tuple(
        Candidate(tuple(row["parts"]), int(str(row["key"]), 16), float(str(row["fitness"])))  # pyright: ignore
        for row in rows
    )
