"""How well `fieldmark discover` names drawn birds that nobody listed, beside controls.

python -m benchmarks.discover FILE --seeds 740,741

Writes a JSON line a seed, world and way: adjusted Rand index of the names, cosine of the names with the true
ones (by the encoder itself), shares of images with exactly the true name, groups, sure names, right ones
among these. Worlds: "known" (the encoder knows the names), "mixed" (half of them, noise on its vectors), and
"vocabulary" (known names, pictures as hard as those of that setting of the table). Unlisted species are
measured on the rejected groups of a classification.
"""

import argparse
import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark import Classifier
from fieldmark.app.discover.discoverer import Discoverer
from fieldmark.app.stores import open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.guide.sight import Sight
from fieldmark.aviary.world.pictures import POOL_SEED, draw_pictures
from fieldmark.aviary.world.species import Species, species_book
from fieldmark.errors import RunError
from fieldmark.evals.methods.cased import cased
from fieldmark.evals.metrics.open_vocabulary import semantic_similarity
from fieldmark.evals.table.sources.aviary_settings import pool_captions
from fieldmark.evals.worlds.conditions import CLEAR, WorldConditions
from fieldmark.evals.worlds.draw import draw_world, weakness_of
from fieldmark.records.discovery import Discovery
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.weakened import WeakenedEncoder
from fieldmark.tools.discovery.caption_words import caption_phrases
from fieldmark.tools.discovery.groups import find_groups
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.scoring.vectors import encode_unit, unit
from fieldmark.tools.statistics.partitions import adjusted_rand, contingency

SPECIES, IMAGES, CAPTIONED, UNLISTED = 24, 12, 8, 0.25
_KNOWN = replace(CLEAR, species=SPECIES, images=IMAGES, names="known")
WORLDS = {
    "known": _KNOWN,
    "mixed": replace(CLEAR, species=SPECIES, images=IMAGES, names="mixed", image_noise=1.0, text_noise=0.5),
    "vocabulary": _KNOWN,
}
HARD = {"vocabulary": 2.5}
"""How hard the pictures of a world are to see, where not 1."""


async def measure(world: str, seed: int, home: Path, out: Path) -> list[dict[str, Any]]:
    """All ways on one world."""
    conditions = WORLDS[world]
    with open_stores(home) as stores:
        drawn = draw_world(conditions, seed=seed, pictures=stores.aviary)
        book, images = drawn.species, drawn.images
        hard = HARD.get(world, 1.0)
        if world in HARD:
            images = draw_pictures(stores.aviary, book, seed=seed, images=IMAGES, difficulty=hard).images
        truth = {image.content_hash: str(image.label) for image in images}
        weakened = WeakenedEncoder(stores.encoder("aviary"), weakness_of(conditions, seed))
        pool = draw_pictures(stores.aviary, book, seed=seed + POOL_SEED, images=CAPTIONED, difficulty=hard)
        said = pool_captions(pool.truths, book)
        file = out / f"captions-{world}-{seed}.txt"
        file.write_text("\n".join(said))
        rows = controls(images, truth, said, weakened, seed)
        async with AsyncExitStack() as opened:

            async def guide(known: Sequence[Species], *, sees: bool) -> Any:
                folders = sorted({image.path.parents[1] for image in images})
                sight = Sight(Gallery.of_folders(folders)) if sees else None
                made = Guide(known, GuideSettings(mistakes=conditions.mistakes), sight=sight)
                return await opened.enter_async_context(asked_over_http(made, store=stores.answers))

            others = species_book(seed + 5000, new=SPECIES, known=0)
            ways: dict[str, dict[str, Any]] = {
                "captions": {"captions": file},
                "captions, true number": {"captions": file, "groups": len(set(truth.values()))},
                "captions and language model": {"captions": file, "llm": await guide(book, sees=False)},
                "vision-language model": {"vlm": await guide(book, sees=True)},
                "one that knows other birds": {"vlm": await guide(others, sees=True)},
            }
            for way, given in ways.items():
                found = await Discoverer(
                    images=[image.path for image in images],
                    clip=weakened,
                    home=home,
                    out=out,
                    **{"llm": None, **given},
                ).adiscover()
                rows.append({"way": way, **scored(found, truth, weakened)})
            if world not in HARD:
                rows += await unlisted(conditions, seed, weakened, opened, stores, home, out)
    return [{"world": world, "seed": seed, **row} for row in rows]


async def unlisted(
    conditions: WorldConditions,
    seed: int,
    encoder: Encoder,
    opened: AsyncExitStack,
    stores: Any,
    home: Path,
    out: Path,
) -> list[dict[str, Any]]:
    """The rejected groups of a run whose list lacks a quarter of the species."""
    drawn = draw_world(replace(conditions, unlisted=UNLISTED), seed=seed, pictures=stores.aviary)
    truth = {image.content_hash: str(image.label) for image in drawn.images}
    settings = GuideSettings(mistakes=conditions.mistakes)
    sight = Sight(Gallery.of_folders(sorted({image.path.parents[1] for image in drawn.images})))
    llm = await opened.enter_async_context(
        asked_over_http(Guide(drawn.species, settings), store=stores.answers)
    )
    vlm = await opened.enter_async_context(
        asked_over_http(Guide(drawn.species, settings, sight=sight), store=stores.answers)
    )
    run = await Classifier(
        classes=drawn.classes, clip=encoder, llm=llm, noun="bird", home=home, out=out
    ).aresolve([image.path for image in drawn.images])
    rows: list[dict[str, Any]] = []
    for way, given in {"run, marks": {"llm": llm}, "run, looked at": {"vlm": vlm, "llm": None}}.items():
        try:
            found = await Discoverer(run=run.run, clip=encoder, home=home, out=out, **given).adiscover()
        except RunError:  # nothing was rejected in groups
            continue
        rest = [name for name in truth.values() if name not in drawn.classes]
        strange = sum(truth[digest] not in drawn.classes for g in found.groups for digest in g.image_hashes)
        grouped = sum(len(group.images) for group in found.groups)
        rows.append(
            {
                "way": way,
                **scored(found, truth, encoder),
                "unlisted_in_groups": strange / len(rest),
                "unlisted_share_of_groups": strange / grouped,
                "unlisted_species": len(set(rest)),
            }
        )
    return rows


def controls(
    images: Sequence[ImageFile], truth: dict[str, str], said: Sequence[str], encoder: Encoder, seed: int
) -> list[dict[str, Any]]:
    """CaSED an image, CaSED's word of most images in k-means' true number of groups, and random phrases."""
    vectors = unit(encoder.encode_images(images).vectors)
    texts = encode_unit(list(said), encoder.encode_texts)
    words = cased(
        vectors,
        encoder.encode_texts,
        caption_vectors=texts,
        captions=said,
        logit_scale=float(encoder.logit_scale),
    ).predicted
    number = find_groups(vectors, len(set(truth.values()))).number.numpy()
    most = {group: Counter(np.array(words)[number == group]).most_common(1)[0][0] for group in set(number)}
    phrases = sorted({phrase for caption in said for phrase in caption_phrases(caption)})
    drawn = dict(zip(range(len(most)), random.Random(seed).sample(phrases, len(most)), strict=True))
    true = [truth[image.content_hash] for image in images]
    return [
        {"way": way, **agreement(names, true, encoder)}
        for way, names in {
            "CaSED an image": words,
            "k-means, CaSED's word of most": [most[group] for group in number],
            "k-means, random phrases": [drawn[group] for group in number.tolist()],
        }.items()
    ]


def agreement(names: Sequence[str], true: Sequence[str], encoder: Encoder) -> dict[str, float]:
    """Names beside the true ones."""
    return {
        "rand": adjusted_rand(contingency(list(names), list(true))),
        "similarity": float(semantic_similarity(names, true, encoder.encode_texts).mean()),
        "exact": float(np.mean([name == other for name, other in zip(names, true, strict=True)])),
    }


def scored(found: Discovery, truth: dict[str, str], encoder: Encoder) -> dict[str, Any]:
    """What was found beside the truth; images of a group without a name are of a name of their own."""
    names, true, right, kind = [], [], 0, 0
    for number, group in enumerate(found.groups):
        own = [truth[digest] for digest in group.image_hashes]
        names += [group.name or f"group {number}"] * len(own)
        true += own
        kind += group.sure and Counter(own).most_common(1)[0][0].split()[-1] in group.name.split()
        right += group.sure and group.name == Counter(own).most_common(1)[0][0]
    exact = sum(
        group.name == Counter(truth[d] for d in group.image_hashes).most_common(1)[0][0]
        for group in found.groups
    )
    return {
        **agreement(names, true, encoder),
        "groups": len(found.groups),
        "named_right": exact,
        "sure": sum(group.sure for group in found.groups),
        "sure_right": right,
        "sure_of_right_kind": kind,
    }


def main() -> None:
    """Measure every world that was named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", default="740")
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--home", type=Path, default=Path("discover-home"))
    given = parser.parse_args()
    out = given.home / "runs"
    out.mkdir(parents=True, exist_ok=True)
    for seed in map(int, given.seeds.split(",")):
        for world in given.worlds.split(","):
            rows = asyncio.run(measure(world, seed, given.home, out))
            with given.file.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
