"""Learns byte-pair merges from captions, in the file format of open_clip's `SimpleTokenizer`."""

import gzip
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

_WORDS = re.compile(r"[a-z]+|[^\sa-z]+")
_HEADER = "#version: fieldmark aviary 1"


def learn_merges(captions: Iterable[str], count: int) -> list[tuple[str, str]]:
    """Learn merges, most frequent pair first; ties go to the alphabetically first pair.

    Args:
        captions: ASCII texts.
        count: Most merges to learn.

    Returns:
        The merges in order; fewer when no pair occurs twice any more.
    """
    frequency: Counter[str] = Counter()
    for text in captions:
        frequency.update(_WORDS.findall(text.lower()))
    words = [((*word[:-1], word[-1] + "</w>"), n) for word, n in sorted(frequency.items())]
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, n in words:
            for pair in pairwise(parts):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        words = [(_merged(parts, best), n) for parts, n in words]
    return merges


def write_merges(merges: Iterable[tuple[str, str]], file: Path) -> None:
    """Write merges so that the same merges give the same bytes (no time stamp in the gzip header)."""
    text = "\n".join([_HEADER, *(" ".join(pair) for pair in merges)]) + "\n"
    file.write_bytes(gzip.compress(text.encode("ascii"), mtime=0))


def _merged(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    if pair[0] not in parts:
        return parts
    out: list[str] = []
    index = 0
    while index < len(parts):
        if parts[index : index + 2] == pair:
            out.append(pair[0] + pair[1])
            index += 2
        else:
            out.append(parts[index])
            index += 1
    return tuple(out)
