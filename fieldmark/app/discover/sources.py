"""Reads what is to be named: images that are grouped here, or the rejected groups of a classification."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fieldmark.app.encoding import encode_files, encode_given
from fieldmark.app.inputs import Images
from fieldmark.app.review.listing import classes_of
from fieldmark.errors import InputError, RunError
from fieldmark.reading import read_text
from fieldmark.records import RejectedGroup, RejectedGroups, SkippedInput
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.texts import mended
from fieldmark.tools.discovery.groups import ImageGroups, find_groups
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.events import Progress
from fieldmark.tools.runs.folder import RunFolder

MOST_CAPTIONS = 1 << 30
"""Bytes of a file of captions."""


@dataclass(frozen=True)
class GroupedImages:
    """Images and the groups to be named.

    Attributes:
        images: The images [N].
        vectors: Their unit vectors [N, D] float32.
        groups: The groups; an image of none has the number -1.
        rejected: What the run says of each group; empty where the images were grouped here.
        listed: The classes of the run.
        skipped: What could not be read, with the reason.
        passed_over: Files in folders whose suffix is no image's, by suffix.
    """

    images: tuple[ImageFile, ...]
    vectors: Tensor
    groups: ImageGroups
    rejected: tuple[RejectedGroup, ...] = ()
    listed: tuple[str, ...] = ()
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] | None = None


def group_images(images: Images, encoder: Encoder, count: int | None, progress: Progress) -> GroupedImages:
    """Encode images and sort them into groups.

    Raises:
        NoImagesError: Not one is usable.
    """
    given = encode_given(images, encoder, progress)
    return GroupedImages(
        images=given.images,
        vectors=given.vectors,
        groups=find_groups(given.vectors, count),
        skipped=given.skipped,
        passed_over=given.passed_over,
    )


def rejected_groups(run: RunFolder) -> tuple[RejectedGroup, ...]:
    """The groups of a run's rejected images.

    Raises:
        RunError: There are none.
    """
    there = (run.path / RejectedGroups.FILE).is_file()
    groups = run.read(RejectedGroups.FILE, RejectedGroups).groups if there else ()
    if not groups:
        raise RunError(
            f"Run {run.run_id} has no rejected images that look alike.",
            hint="There is nothing to name. A folder of images can be named without a run.",
        )
    return groups


def group_rejected(run: RunFolder, encoder: Encoder, progress: Progress) -> GroupedImages:
    """The images of a run with the groups of its rejected ones; vectors come from the store.

    Raises:
        RunError: There are none, or an image is not there any more.
    """
    rejected = rejected_groups(run)
    folder, copies = Path(str(run.config.options.get("folder", "."))), run.path / COPIES
    given: list[ImageFile] = []
    for said in run.read_predictions():
        copy = copies / f"{said.image_hash}.png"
        given.append(ImageFile(copy if copy.is_file() else folder / said.image, said.image_hash))
    images, vectors, skipped = encode_files(given, encoder, progress)
    place = {image.content_hash: at for at, image in enumerate(images)}
    number = torch.full((len(images),), -1)
    typical: list[Tensor] = []
    for at, group in enumerate(rejected):
        own = torch.tensor([place[each] for each in group.image_hashes if each in place])
        if not len(own):
            raise RunError(
                f"The images of run {run.run_id} cannot be read any more.",
                hint="Bring them back to where they were, and try again.",
            )
        number[own] = at
        typical.append(own)
    return GroupedImages(
        images=images,
        vectors=vectors,
        groups=ImageGroups(number, tuple(typical)),
        rejected=rejected,
        listed=tuple(classes_of(run.config)),
        skipped=skipped,
    )


def read_said(path: Path) -> tuple[str, ...]:
    """Captions of whatever images, each once: a line of text each, or JSONL with the field "caption".

    Raises:
        InputError: The file cannot be read, or holds none.
    """
    captions: dict[str, None] = {}
    try:
        # splitlines() would also split at the exotic line ends that a caption may hold.
        for line in read_text(path, most=MOST_CAPTIONS, encoding="utf-8-sig").split("\n"):
            if line.strip():
                said = json.loads(line)["caption"] if path.suffix.lower() == ".jsonl" else line
                if not isinstance(said, str) or "\0" in said:
                    raise ValueError("a caption is no text")
                captions[" ".join(mended(said).split())] = None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"Captions cannot be read from {str(path)!r}: {type(error).__name__}: {error}.",
            hint='Write one a line, or JSONL: {"caption": "a photo of a wren"}.',
            field="captions",
        ) from error
    captions.pop("", None)
    if not captions:
        raise InputError(f"{str(path)!r} holds no caption.", hint="Write one a line.", field="captions")
    return tuple(captions)
