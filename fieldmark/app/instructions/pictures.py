"""Writes labelling instructions into a folder: Markdown with small pictures beside it, and one page."""

from pathlib import Path

from fieldmark.cache.folders import write_whole
from fieldmark.errors import RunError
from fieldmark.evals.report.instructions import class_page
from fieldmark.evals.report.page import write_page
from fieldmark.tools.images.files import ImageFile, UnusableImageError
from fieldmark.tools.images.small import small_copies
from fieldmark.tools.labelling.document import LabellingDocument, as_markdown
from fieldmark.tools.runs.folder import RunFolder

MARKDOWN, PAGE, PICTURES = "instructions.md", "instructions.html", "pictures"
SIDE, QUALITY = 320, 80
"""Longest side of a picture beside the Markdown, in pixels, and its quality as WebP."""
MOST_PICTURES = 600


def write_document(document: LabellingDocument, run: RunFolder) -> None:
    """Write the instructions as Markdown and as a page; pictures that cannot be read are left out.

    Raises:
        RunError: They cannot be written.
    """
    shown = [image for section in document.sections for image in section.images]
    paths = write_pictures({each.image_hash: each.image for each in shown[:MOST_PICTURES]}, run.path)
    run.write_text(MARKDOWN, as_markdown(document, pictures=paths))
    write_page(run.path / PAGE, class_page(document))


def write_pictures(images: dict[str, str], folder: Path) -> dict[str, str]:
    """Small copies of images beside a document: content hash → path from there.

    Args:
        images: Content hash → where the image lies.
        folder: The document's folder.

    Raises:
        RunError: They cannot be written.
    """
    paths: dict[str, str] = {}
    for content_hash, path in images.items():
        name = f"{PICTURES}/{content_hash[:16]}.webp"
        try:
            data = next(small_copies(ImageFile(Path(path), content_hash), side=SIDE, qualities=(QUALITY,)))
            (folder / PICTURES).mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, (data,))
        except UnusableImageError:
            continue
        except OSError as error:
            raise RunError(f"{str(folder / name)!r} cannot be written: {error.strerror}.") from error
        paths[content_hash] = name
    return paths
