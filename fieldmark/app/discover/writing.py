"""Writes what was discovered: a table of the images, a file of names, and a page."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from fieldmark.evals.report.page import render, write_page
from fieldmark.evals.report.pictures import Pictures
from fieldmark.records.discovery import DiscoveredGroup, Discovery
from fieldmark.tools.images.in_memory import COPIES
from fieldmark.tools.runs.csv_table import csv_text
from fieldmark.tools.runs.folder import RunFolder

TABLE, NAMES, PAGE = "groups.csv", "classes.txt", "report.html"
_HEAD = ("image", "group", "name", "sure", "sureness", "similarity", "image_hash")
MOST_GROUPS, EACH = 60, 6
"""The most groups on the page, and pictures of each; the table has them all."""


@dataclass(frozen=True)
class ShownGroup:
    """A group as the page shows it.

    Attributes:
        group: What was found.
        pictures: Name and data URL of some images; no URL where one cannot be shown.
    """

    group: DiscoveredGroup
    pictures: tuple[tuple[str, str | None], ...]


def write_tables(run: RunFolder, found: Discovery) -> None:
    """Write `groups.csv`, a row an image, and `classes.txt`, a name a line; listed ones come first."""
    rows = [
        (
            image,
            number,
            group.name,
            "yes" if group.sure else "no",
            group.sureness,
            group.similarity,
            digest,
        )
        for number, group in enumerate(found.groups, 1)
        for image, digest in zip(group.images, group.image_hashes, strict=True)
    ]
    run.write_text(TABLE, csv_text(_HEAD, rows))
    run.write_text(NAMES, "".join(f"{name}\n" for name in found.classes))


def write_discovery_page(found: Discovery) -> Path:
    """Write `report.html` into the run's folder.

    Raises:
        RunError: It cannot be written.
    """
    run = Path(found.run)
    # With many groups, fewer pictures of each.
    shown, each = found.groups[:MOST_GROUPS], max(2, min(EACH, 240 // max(1, len(found.groups))))
    pictures = Pictures(most=each * MOST_GROUPS, longest_side=120, copies=run / COPIES)
    html = render(
        "discover.html",
        run=run,
        run_id=run.name,
        found=found,
        names=run / NAMES,
        groups=[
            ShownGroup(
                group,
                tuple(
                    ("/".join(PurePath(image).parts[-2:]), pictures.of(image, digest))
                    for image, digest in zip(group.images[:each], group.image_hashes, strict=False)
                ),
            )
            for group in shown
        ],
    )
    return write_page(run / PAGE, html)
