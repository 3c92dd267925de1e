"""What a classification is told of its images beside the pixels, settled once and kept in its run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.by_method.choice import LOOP
from fieldmark.app.circumstances.groups import GroupBy, check_group_by, groups_of
from fieldmark.app.circumstances.prior import Prior, read_prior
from fieldmark.app.circumstances.table import AboutImages, read_about
from fieldmark.cache.keys import content_key
from fieldmark.errors import FieldmarkError, InputError
from fieldmark.records import Record
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.events import ViewWorth
from fieldmark.tools.runs.folder import RunFolder

_IN_MEMORY = "sha256:"
"""What stands in a run's configuration for what a program held in memory; the run itself keeps it."""
_DOUBTED = 0.5
"""A prior that seems to be right about a smaller share of the images is told of."""


class Circumstances(Record):
    """What is known of a run's images beside their pixels.

    Images are named by the hash of their content.
    """

    FILE: ClassVar[str] = "circumstances.json"

    format: Literal["fieldmark.circumstances/1"] = "fieldmark.circumstances/1"
    rows: tuple[tuple[float, ...], ...] = ()
    """How likely each class is, in the order of the classes; each row sums to 1."""
    row: dict[str, int] = Field(default_factory=dict)
    """The row of each image that has one."""
    groups: dict[str, str] = Field(default_factory=dict)
    """The group of each image that shares its label with others."""
    without: int = 0
    """Images that have no row although others have."""

    @property
    def for_loop(self) -> dict[str, Any]:
        """What the loop takes: how likely each class is, by image, and the groups."""
        return {"prior": {image: self.rows[at] for image, at in self.row.items()}, "groups": self.groups}

    def keep(self, run: RunFolder) -> None:
        """Write it into a run's folder, which can then be gone on with without the files."""
        if self.rows or self.groups:
            run.write(self.FILE, self)

    @property
    def counts(self) -> dict[str, int]:
        """How many images were told of; empty without any."""
        told = {"prior_images": len(self.row), "prior_without": self.without} if self.rows else {}
        groups = {"groups": len(set(self.groups.values())), "grouped_images": len(self.groups)}
        return told | (groups if self.groups else {})

    def notes(self, rule: str, worth: ViewWorth | None) -> Iterator[str]:
        """What to say of it once it was used.

        Args:
            rule: The rule that decided.
            worth: What the evidence made of it; None by another rule.
        """
        if rule != "evidence" and (self.rows or self.groups):
            yield "There are too many images for the evidence rule: prior and groups were not used."
        elif self.without:
            yield f"{self.without:,} images have no row in the prior; nothing is assumed of them."
        if worth is not None:
            if worth.prior_trust is not None and worth.prior_trust < _DOUBTED:
                yield (
                    f"The prior seems to be right about {worth.prior_trust:.0%} of the images, and counts as "
                    "little. Is it of these images?"
                )
            if self.groups and worth.repeated is None:
                yield (
                    "The images of most groups do not seem to show one class, or are no more alike than any "
                    "others: groups were not used. Are they those of these images?"
                )
            if worth.taken_apart:
                yield (
                    f"{worth.taken_apart:,} of the {len(self.groups):,} images in groups contradict their "
                    "group, and are taken one by one."
                )


@dataclass(kw_only=True)
class Circumstanced:
    """The part of a classifier that says what is known of the images beside their pixels.

    Args:
        prior: How likely each class is: image → class → number, or a CSV or TSV file; see `read_prior`.
        about: A CSV or TSV file with the column image and others, such as place, month or individual.
        group_by: What images that share a label have in common: "folder", a column of `about`, "exif" or
            "exif:SECONDS" for pictures that one camera took one after the other, or image → group.
    """

    prior: Prior | None = None
    about: Path | str | None = None
    group_by: GroupBy | None = None

    def stated_circumstances(self) -> dict[str, JsonValue]:
        """What a run keeps of it: paths by their full names."""
        return {
            "prior": _stated(self.prior),
            "about": _stated(self.about),
            "group_by": self.group_by if isinstance(self.group_by, str) else _stated(self.group_by),
        }

    def check_circumstances(self, method: str, options: ResolveOptions, classes: Sequence[str]) -> None:
        """Refuse what cannot be used.

        Raises:
            FieldmarkError: The first thing that is wrong.
        """
        stated = {"prior": self.prior, "about": self.about, "group_by": self.group_by}
        for mistake in mistakes_beside(stated, method=method, options=options, classes=classes):
            raise mistake

    def settle_circumstances(
        self, images: Sequence[ImageFile], classes: Sequence[str], run: RunFolder | None
    ) -> Circumstances:
        """What is known of these images; what the run that is gone on with was told.

        Raises:
            InputError: A file cannot be read, or does not fit the images.
        """
        if run is not None:
            there = (run.path / Circumstances.FILE).is_file()
            return run.read(Circumstances.FILE, Circumstances) if there else Circumstances()
        about = _about(self.about)
        rows: dict[tuple[float, ...], int] = {}
        row: dict[str, int] = {}
        if self.prior is not None:
            found = read_prior(self.prior, classes, columns=about.columns if about else ()).of(images, about)
            row = {image: rows.setdefault(each, len(rows)) for image, each in found.items()}
        groups = {} if self.group_by is None else groups_of(self.group_by, images, about)
        without = len({image.content_hash for image in images} - row.keys()) if rows else 0
        return Circumstances(rows=tuple(rows), row=row, groups=groups, without=without)


def mistakes_beside(
    given: Mapping[str, Any], *, method: str, options: ResolveOptions | None, classes: Sequence[str] | None
) -> Iterator[FieldmarkError]:
    """What is wrong with what is known beside the images, before these are looked at.

    Args:
        given: prior, about and group_by; None where not given.
        method: What labels.
        options: The options of the loop; None where they are wrong.
        classes: The class names; None where they are wrong.

    Yields:
        An error for each thing that cannot be read, or is of no use.
    """
    there = [name for name in ("prior", "about", "group_by") if given.get(name) is not None]
    used = method == LOOP and (options is None or options.rule == "evidence")
    if there and not used:
        what = f"the method {method}" if method != LOOP else f"the rule {options.rule!r}" if options else ""
        yield InputError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} of no use to {what}.",
            hint="Leave it out, or leave out what chooses another rule than evidence.",
            field=", ".join(there),
        )
        return
    if there == ["about"]:
        yield InputError(
            "A table about the images says nothing by itself.",
            hint="Give a prior by one of its columns, or group the images by one.",
            field="about",
        )
    about, columns = None, None
    try:
        about = _about(given.get("about"))
        columns = about.columns if about else None
    except FieldmarkError as error:
        yield error
        return
    prior, group_by = given.get("prior"), given.get("group_by")
    named: set[str] = set()
    try:
        if prior is not None and classes and not _kept(prior):
            named.update(read_prior(prior, classes, columns=columns or ()).keys)
        if group_by is not None and not _kept(group_by) and not _kept(given.get("about")):
            named.update([group_by] if isinstance(group_by, str) else [])
            check_group_by(group_by, columns)
    except FieldmarkError as error:
        yield error
        return
    if columns and there != ["about"] and classes and named.isdisjoint(columns):
        yield InputError(
            "Neither the prior nor what groups the images has a column of the table about them.",
            hint="Leave the table out, or use one of its columns: " + ", ".join(columns) + ".",
            field="about",
        )


def _about(given: Path | str | None) -> AboutImages | None:
    return None if given is None or _kept(given) else read_about(given)


def _kept(given: object) -> bool:
    """Whether this stands for what an earlier run keeps."""
    return isinstance(given, str) and given.startswith(_IN_MEMORY)


def _stated(given: object) -> str | None:
    if isinstance(given, Mapping):
        return _IN_MEMORY + content_key(_plain(given))
    if given is None or _kept(given):
        return None if given is None else str(given)
    return str(Path(str(given)).resolve())


def _plain(given: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(k): _plain(each) if isinstance(each, Mapping) else each for k, each in given.items()}
