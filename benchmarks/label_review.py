"""How many wrong labels `fieldmark review` finds on drawn birds, by runs of several methods.

python benchmarks/label_review.py --seeds 530 531 532

Of every ten labels one is changed to another class at random. Prints one line a seed and method: labels that
were flagged with another class suggested, wrong ones among them, all wrong ones, suggestions that are right.
"""

import argparse
import asyncio
import random
import tempfile
from pathlib import Path

from fieldmark import Classifier
from fieldmark.app.review.label_errors import review_labels
from fieldmark.app.stores import open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book

NEW, KNOWN, IMAGES, MISTAKES = 16, 8, 15, 0.15
METHODS = {"resolve": True, "dclip": True, "clip": False}
"""Each with whether it asks."""


async def review(seed: int, place: Path) -> None:
    """Draw one world, change labels, classify without them, and review them."""
    book = species_book(seed, new=NEW, known=KNOWN)
    folder = place / f"birds-{seed}"
    render_dataset(folder, book, images_per_species=IMAGES, seed=seed, workers=1)
    images = sorted(folder.glob("*/*.jpg"))
    names = sorted({path.parent.name for path in images})
    draw = random.Random(seed)
    wrong = {str(path) for path in draw.sample(images, len(images) // 10)}
    labels = {
        str(path): draw.choice([name for name in names if name != path.parent.name])
        if str(path) in wrong
        else path.parent.name
        for path in images
    }
    with open_stores(place / "home") as stores:
        guide = Guide(book, GuideSettings(mistakes=MISTAKES))
        async with asked_over_http(guide, store=stores.answers) as llm:
            for method, asks in METHODS.items():
                classifier = Classifier(
                    classes=names,
                    method=method,
                    clip="aviary",
                    llm=llm if asks else None,
                    noun="bird",
                    home=place / "home",
                    out=place / "runs",
                )
                found = await classifier.aresolve(folder)
                flagged = [each for each in review_labels(found.run, labels).issues if each.suggested]
                hits = [each for each in flagged if each.image in wrong]
                right = sum(each.suggested == Path(each.image).parent.name for each in hits)
                print(
                    seed, method, f"{len(flagged)} flagged, {len(hits)} of {len(wrong)} wrong, {right} right"
                )


def main() -> None:
    """Review every world that was named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[530, 531, 532])
    with tempfile.TemporaryDirectory() as place:
        for seed in parser.parse_args().seeds:
            asyncio.run(review(seed, Path(place)))


if __name__ == "__main__":
    main()
