"""Writes labels and rationales into a folder that the library `datasets` loads, to tune a model elsewhere."""

import json
import secrets
import shutil
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import Field

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.tuning.labelled import TuningSource, labelled_images
from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import Record, SkippedInput
from fieldmark.records.names import near_note
from fieldmark.tools.exports.folder import names_in
from fieldmark.tools.images.decode import UnusableImageError, decode_bytes
from fieldmark.tools.images.files import read_unchanged
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.tuning.layouts import Layout, held_out, row_of

DATASET, ROWS = "dataset.json", "metadata.jsonl"
TRAIN, TEST = "train", "test"
LEAST_SIDE = 32
_AS_THEY_ARE = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
"""Endings that a folder of images may have; any other picture is written as PNG."""


class TuningSet(Record):
    """What was written, as `dataset.json` keeps it."""

    format: Literal["fieldmark.export-rft/1"] = Field(
        default="fieldmark.export-rft/1", serialization_alias="schema"
    )
    source: dict[str, str]
    """The run, or the concept and its version."""
    layout: Layout
    question: str
    answers: tuple[str, ...]
    splits: dict[str, dict[str, int]]
    """Split → answer → images."""
    held_out: str | None
    """The split that nothing may be tuned on; None where nothing was held out."""
    by_people: int
    by_run: int
    with_rationale: int
    left_out: dict[str, int]
    """Why labelled images were left out → how many."""
    skipped: tuple[SkippedInput, ...] = ()
    """Images that could not be written, and why."""
    note: str = ""


@checked_arguments
def export_rft(
    source: Path | str,
    out: Path | str,
    *,
    layout: Layout = "visual-rft",
    resolved: bool = False,
    held_out_share: float = 0.2,
    longest_side: int | None = None,
    runs: Path | str = Path("runs"),
    home: Path | None = None,
) -> TuningSet:
    """Write labelled images and rationales of a run or a concept in the layout of a program that tunes.

    Images are copied under their content hash; beside them lies `metadata.jsonl`, a row for each. A concept's
    blind test is never written. Nothing is asked and nothing is trained.

    Args:
        source: A classification's id or folder, or the name of a concept.
        out: A folder that is not there, or is empty.
        layout: "visual-rft" (`problem`, `solution`), "trl-grpo" (`prompt`, `solution`), or "trl-sft"
            (`messages`, with the rationale as the thought where there is one).
        resolved: Take the images that a run resolved, too. Their labels are guesses, with a confidence.
        held_out_share: Share of what people labelled, of each answer, for the split `test`.
        longest_side: Make larger images smaller, in pixels; they are kept as they are where not given.
        runs: Where run folders are.
        home: Where concepts are kept; the settings' where not given.

    Raises:
        InputError: There is no such run or concept, nothing is labelled, an argument is wrong, or `out` holds
            something or cannot be written.
        RunError: The run is not finished, or damaged.
    """
    if not 0 <= held_out_share < 1:
        raise InputError(
            f"A share of {held_out_share} cannot be held out.", hint="Give 0 or more, and less than 1."
        )
    if longest_side is not None and longest_side < LEAST_SIDE:
        raise InputError(f"Images of {longest_side} pixels show nothing.", hint=f"Give {LEAST_SIDE} or more.")
    found = labelled_images(source, runs=runs, resolved=resolved, home=home)
    if not found.examples:
        raise InputError(
            "There is no labelled image to write.",
            hint="Label some first: `fieldmark label`, `fieldmark concept chat`, or the studio. What a run "
            "resolved by itself is written only where that is asked for.",
        )
    target = Path(out).absolute()
    if names_in(target):
        raise InputError(f"{str(out)!r} is not empty.", hint="Give a new folder: nothing is overwritten.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        done = _write(found, part, layout=layout, share=held_out_share, longest=longest_side)
        if target.exists():
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise InputError(
            f"{str(out)!r} cannot be written: {error.strerror or error}.",
            hint="Make room, or give another folder.",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return done


def _write(
    found: TuningSource, folder: Path, *, layout: Layout, share: float, longest: int | None
) -> TuningSet:
    """Write rows and images split by split, and `dataset.json` last."""
    apart = held_out(found.examples, share)
    splits: dict[str, Counter[str]] = {}
    by: Counter[str] = Counter()
    skipped: list[SkippedInput] = []
    for split in (TRAIN, TEST):
        own = [e for e in found.examples if (e.content_hash in apart) == (split == TEST)]
        lines: list[str] = []
        for example in own:
            try:
                ending, data = _picture(example.image, longest)
            except UnusableImageError as error:
                skipped.append(SkippedInput(path=str(example.image.path), reason=error.reason))
                continue
            name = f"{example.content_hash}{ending}"
            (folder / split).mkdir(parents=True, exist_ok=True)
            (folder / split / name).write_bytes(data)
            row = row_of(example, found.task, layout, file_name=name)
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
            splits.setdefault(split, Counter())[example.answer] += 1
            by.update([example.by, *(["reason"] if row["rationale"] else [])])
        if lines:
            (folder / split / ROWS).write_text("".join(lines), encoding="utf-8", errors="replace")
    if not splits:
        first = skipped[0]
        raise InputError(
            f"None of the {len(skipped):,} labelled images can be read: {first.path!r} {first.reason}.",
            hint="Put the images back where they were when the labels were given.",
        )
    done = TuningSet(
        source=found.source,
        layout=layout,
        question=found.task.question,
        answers=found.task.answers,
        splits={split: dict(sorted(counts.items())) for split, counts in splits.items()},
        held_out=TEST if TEST in splits else None,
        by_people=by["person"],
        by_run=by["run"],
        with_rationale=by["reason"],
        left_out=dict(found.left_out),
        skipped=tuple(skipped),
        note=near_note(found.task.answers),
    )
    (folder / DATASET).write_text(done.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return done


def _picture(image: ImageFile, longest: int | None) -> tuple[str, bytes]:
    """The ending and the bytes of an image as it is written: its own, unless too large or of a rare kind.

    Raises:
        UnusableImageError: It is gone, has changed, or is no picture.
    """
    try:
        data = read_unchanged(image) if image.content_hash else read_bytes(image.path)
    except OSError as error:
        raise UnusableImageError(image.path, f"cannot be read ({error.strerror or error})") from error
    ending = image.path.suffix.lower()
    if longest is None and ending in _AS_THEY_ARE:
        return ending, data
    picture = decode_bytes(data, path=image.path)
    large = longest is not None and max(picture.size) > longest
    if ending in _AS_THEY_ARE and not large:
        return ending, data
    if longest is not None:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    written = BytesIO()
    picture.save(written, "JPEG" if large else "PNG", **({"quality": 90} if large else {}))
    return (".jpg" if large else ".png"), written.getvalue()
