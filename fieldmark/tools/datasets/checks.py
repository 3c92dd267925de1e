"""Compares a listing with the facts of the published set; a difference is an error, not a low score.

It opens no file and draws no image.
"""

from dataclasses import replace

from fieldmark.errors import ClassNamesError, InputError
from fieldmark.tools.datasets.class_names import Spellings, spaced, standard_classes
from fieldmark.tools.datasets.domain import Domain
from fieldmark.tools.datasets.labelled import Rows, few
from fieldmark.tools.datasets.listing import Listing


def checked(listing: Listing, domain: Domain, *, split: str | None, part: bool) -> Listing:
    """The same images under the class names of the protocol, in the standard order.

    Args:
        listing: What the data list.
        domain: The published set that they are to be.
        split: Its division that the counts must be of; None where any of them will do.
        part: Whether a part of the set is meant: classes may lack images, and counts may be smaller.

    Raises:
        ClassNamesError: A class is not the set's, stands in another place, or is missing; the message names
            the first one.
        InputError: The numbers of images are not the published ones.
    """
    named = _named(listing, domain, part=part)
    problem = _count_problem(named, domain, split)
    if problem and not part:
        raise InputError(problem, hint="Look for what is missing or doubled; or say that a part is meant.")
    notes = (f"A part of {domain.title}: {problem}",) if problem else ()
    return replace(named, notes=(*named.notes, *notes))


def _named(listing: Listing, domain: Domain, *, part: bool) -> Listing:
    classes = standard_classes(domain)
    if not classes:
        if len(listing.classes) != domain.class_count and not part:
            raise ClassNamesError(
                f"{listing.source} has {len(listing.classes)} classes, and {domain.title} has "
                f"{domain.class_count}."
            )
        final = {name: spaced(name) for name in listing.classes}
        if len(set(final.values())) < len(final):
            raise ClassNamesError(f"{listing.source} has two classes of one name.")
        return replace(listing, classes=tuple(final.values()), rows=_renamed(listing.rows, final))
    spellings = Spellings(domain, classes)
    by_place: dict[int, str] = {}
    for place, name in enumerate(listing.classes):
        meant = spellings.place(name)
        if meant is None:
            raise ClassNamesError(
                f"{listing.source} has the class {name!r}, which {domain.title} does not have.",
                hint=f"Its classes are {few(classes)}.",
            )
        if meant in by_place:
            raise ClassNamesError(
                f"{listing.source} has {by_place[meant]!r} and {name!r}, which are one class of "
                f"{domain.title}: {classes[meant]!r}."
            )
        if listing.ordered and meant != place and not part:
            raise ClassNamesError(
                f"{listing.source} has {name!r} as class {place} (from 0); {domain.title} has "
                f"{classes[place]!r} there, and that one as class {meant}.",
                hint="Labels by number mean other classes then: use the class names that belong to them.",
            )
        by_place[meant] = name
    missing = [name for place, name in enumerate(classes) if place not in by_place]
    if missing and not part:
        raise ClassNamesError(
            f"{listing.source} lacks {len(missing)} of the {len(classes)} classes of {domain.title}: "
            f"{few(missing)}."
        )
    final = {
        given: spaced(given) if listing.own_names else classes[place] for place, given in by_place.items()
    }
    ordered = tuple(final.get(by_place.get(place, ""), name) for place, name in enumerate(classes))
    if len(set(ordered)) < len(ordered):
        raise ClassNamesError(f"{listing.source} has two classes of one name.")
    return replace(
        listing,
        classes=ordered,
        rows=_renamed(listing.rows, final),
        notes=(*listing.notes, *([f"Classes without images: {few(missing)}."] if missing else [])),
    )


def _renamed(rows: Rows, final: dict[str, str]) -> Rows:
    return {split: [(path, final[label]) for path, label in pairs] for split, pairs in rows.items()}


def _count_problem(listing: Listing, domain: Domain, split: str | None) -> str:
    """What is wrong with the numbers of images, as a sentence; empty where nothing is."""
    counts = {name: len(pairs) for name, pairs in listing.rows.items()}
    if split is not None:
        wanted = domain.split(split)
        for name in ("train", "val", "test"):
            expected = getattr(wanted, name)
            if expected is not None and name in counts and counts[name] != expected:
                return (
                    f"{listing.source} has {counts[name]:,} {name} images; {domain.title} ({split}) has "
                    f"{expected:,}."
                )
        return ""
    # Without splits of their own, all images are counted together.
    found = counts["test"] if counts.get("test") else sum(counts.values())
    known = {each.test: each.name for each in domain.splits}
    if not known or found in known:
        return ""
    said = " or ".join(f"{number:,} ({name})" for number, name in known.items())
    return f"{listing.source} has {found:,} test images; {domain.title} has {said}."
