"""A data set ready for use: few-shot images drawn, every image file found and hashed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import InputError, NoImagesError
from fieldmark.records import SkippedInput
from fieldmark.tools.datasets.coop import few_shots
from fieldmark.tools.datasets.domain import Domain
from fieldmark.tools.datasets.labelled import LabelledImages, drawn, few
from fieldmark.tools.datasets.listing import Listing
from fieldmark.tools.datasets.unpacked import PictureFolder, drop_damaged
from fieldmark.tools.images.files import FoundImages, ImageFile, find_images


@dataclass(frozen=True)
class DataSet(LabelledImages):
    """Labelled images for a measurement, with what is known of them.

    In a published split each test image counts, so that two of them may have the same content, and even
    different classes; look images up by their place, not by their content.

    Attributes:
        val: Images to set parameters by, where the protocol draws some.
        groups: The group of each test image, where worst-group accuracy is asked for; else empty.
        templates: Templates for the set, with `{}` for the class name; empty where none are known.
        domain: What is known of the published set; None for images of one's own.
        split: The published division, such as "CoOp"; empty where it is none.
        counts: Images by split in the data, before shots are drawn.
    """

    val: tuple[ImageFile, ...] = ()
    groups: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    domain: Domain | None = None
    split: str = ""
    counts: dict[str, int] = field(default_factory=dict)


def assembled(
    listing: Listing, *, shots: int, seed: int, part: bool, pictures: PictureFolder | None = None
) -> DataSet:
    """Draw the training images and look at every file that is used.

    Args:
        listing: The images under their final class names.
        shots: Training images a class.
        seed: Decides which; with splits of the data's own, it is CoOp's seed.
        part: Whether test files may be missing or unusable; they are named then.
        pictures: The folder that unpacked pictures lie in, if any do.

    Raises:
        InputError: A file of a published test split is missing or unusable, or there are no training images.
    """
    counts = {split: len(pairs) for split, pairs in listing.rows.items()}
    if not listing.fixed:
        return _of_ones_own(listing, counts, shots=shots, seed=seed)
    if shots and not listing.rows.get("train"):
        raise InputError(
            f"{listing.source} has no training images, and {shots} a class are asked for.",
            hint="Ask for none; test images do not stand in for them.",
        )
    few_rows = few_shots(listing.rows, listing.classes, shots=shots, seed=seed)
    test = listing.rows.get("test", [])
    if not test:
        raise NoImagesError(f"{listing.source} has no test images.")
    wanted = [pair for pairs in (few_rows["train"], few_rows["val"], test) for pair in pairs]
    found = find_images(list(dict.fromkeys(path for path, _ in wanted)))
    if pictures is not None:
        drop_damaged(found.images, found.skipped, pictures)
    skipped = _skipped(found, test, listing, part=part)
    train = _images(few_rows["train"], found)
    tested = _images(test, found)
    groups = tuple(listing.groups[image.path] for image in tested) if listing.groups else ()
    if not tested:
        raise NoImagesError(f"No test image of {listing.source} is usable.", hint="Check the files.")
    return DataSet(
        classes=listing.classes,
        train=train,
        test=tested,
        skipped=skipped,
        notes=(
            *listing.notes,
            *_shot_notes(train, listing, shots),
            *_repeats(train, tested),
            *_lost(skipped),
        ),
        val=_images(few_rows["val"], found),
        groups=groups,
        templates=listing.templates,
        counts=counts,
    )


def _of_ones_own(listing: Listing, counts: dict[str, int], *, shots: int, seed: int) -> DataSet:
    found = drawn(listing.rows, shots=shots, seed=seed, classes=listing.classes)
    return DataSet(
        classes=found.classes,
        train=found.train,
        test=found.test,
        skipped=found.skipped,
        notes=(*listing.notes, *found.notes),
        templates=listing.templates,
        counts=counts,
    )


def _images(rows: Sequence[tuple[Path, str]], found: FoundImages) -> tuple[ImageFile, ...]:
    by_path = {image.path: image for image in found.images}
    return tuple(
        ImageFile(path=image.path, content_hash=image.content_hash, label=label)
        for path, label in rows
        if (image := by_path.get(path)) is not None
    )


def _skipped(
    found: FoundImages, test: Sequence[tuple[Path, str]], listing: Listing, *, part: bool
) -> tuple[SkippedInput, ...]:
    tested = {str(path) for path, _ in test}
    lost = [each for each in found.skipped if each.path in tested]
    if lost and not part:
        raise NoImagesError(
            f"{len(lost):,} of {len(test):,} test images of {listing.source} cannot be used, the first one "
            f"{lost[0].path} ({lost[0].reason}).",
            hint="A published score is over all of them; or say that a part is meant.",
        )
    return found.skipped


def _shot_notes(train: Sequence[ImageFile], listing: Listing, shots: int) -> list[str]:
    counts = dict.fromkeys(listing.classes, 0)
    for image in train:
        counts[str(image.label)] += 1
    fewer = [f"{name} ({count})" for name, count in counts.items() if count < shots]
    return [f"{len(fewer)} class(es) have fewer than {shots} training images: {few(fewer)}."] if fewer else []


def _repeats(train: Sequence[ImageFile], test: Sequence[ImageFile]) -> list[str]:
    """What a reader must know of pictures that stand there twice; a published split keeps them."""
    notes: list[str] = []
    trained = {image.content_hash for image in train}
    shared = sum(image.content_hash in trained for image in test)
    if shared:
        notes.append(f"{shared:,} test image(s) have the content of a training image; the split has them.")
    labels: dict[str, set[str]] = {}
    for image in test:
        labels.setdefault(image.content_hash, set()).add(str(image.label))
    if (again := len(test) - len(labels)) > 0:
        notes.append(f"{again:,} test image(s) have the content of another test image; the split has them.")
    if (torn := sum(len(each) > 1 for each in labels.values())) > 0:
        notes.append(f"{torn:,} picture(s) stand in the test split under more than one class.")
    return notes


def _lost(skipped: Sequence[SkippedInput]) -> list[str]:
    if not skipped:
        return []
    named = [f"{each.path} ({each.reason})" for each in skipped]
    return [f"{len(skipped):,} image(s) were not used: {few(named, most=3)}."]
