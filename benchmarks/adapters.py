"""What adapters tuned on descriptions of known birds bring for new birds: top-1 against the frozen encoder.

    OMP_NUM_THREADS=1 python benchmarks/adapters.py [--difficulty 2] [--books 3] [--home FOLDER]

Adapters are tuned on images of the species that the bundled model knows, and measured on look-alikes it has
never seen, described by the guide with and without mistakes. The recipe was chosen on books 101 to 103.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fieldmark.app.stores import open_stores
from fieldmark.aviary.guide.beliefs import Beliefs, GuideSettings
from fieldmark.aviary.guide.words import wording
from fieldmark.aviary.world.attributes import KEYS
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.grammar import describing, joined
from fieldmark.aviary.world.species import Species, known_species, species_book
from fieldmark.evals.metrics.accuracy import top_k_right
from fieldmark.tools.clip.adapters.bags import Bags, make_bags
from fieldmark.tools.clip.adapters.linear import tune_linear
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter, tune_low_rank
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe
from fieldmark.tools.clip.clip import ClipEncoder
from fieldmark.tools.images.files import find_images
from fieldmark.tools.statistics.intervals import holm_column, paired_difference, pooled_clusters

MISTAKES = (0.0, 0.15)
SENTENCES = 8
OTHER_WORDS = 0.5


@dataclass(frozen=True)
class Seen:
    """Images of a book, as vectors and as what the last layers are given."""

    vectors: Tensor
    features: Tensor
    labels: Tensor


def see(
    encoder: ClipEncoder, folder: Path, book: Sequence[Species], given, *, images: int, seed: int
) -> Seen:
    render_dataset(folder, book, images_per_species=images, seed=seed, difficulty=given.difficulty)
    files = find_images(folder).images
    place = {species.name: at for at, species in enumerate(book)}
    labels = torch.tensor([place[Path(file.path).parent.name] for file in files])
    return Seen(encoder.encode_images(files).vectors, encoder.encode_features(files).rows, labels)


def described(encoder: ClipEncoder, book: Sequence[Species], mistakes: float, seed: int) -> Bags:
    """Each mark alone and sentences of three to five, as the guide holds and words them."""
    beliefs = Beliefs(book, GuideSettings(mistakes=mistakes, seed=seed))
    texts = []
    for species in book:
        rng = random.Random(f"{seed} {species.name}")
        held = beliefs.of(species.name)

        def words(key: str, question: str, held=held, rng=rng) -> str:
            return wording(key, beliefs.stated(held, key, f"{question} {key}"), rng, OTHER_WORDS)

        own = [words(key, "one") for key in KEYS]
        for number in range(SENTENCES):
            keys = rng.sample(KEYS, rng.randint(3, 5))
            own.append(joined([words(key, str(number)) for key in keys]))
        texts.append([describing("bird", each) for each in own])
    return make_bags(texts, encoder.encode_texts)


def right(vectors: Tensor, seen: Seen, bags: Bags):
    """Whether each image is right by the unit mean of each class's texts."""
    classes = torch.nn.functional.normalize(bags.member.float() @ bags.vectors, dim=1)
    return top_k_right((vectors @ classes.T).numpy(), seen.labels.numpy())


def tuned(train: Seen, bags: Bags, encoder: ClipEncoder):
    """Each adapter with its name and the seconds it took."""
    scale = encoder.logit_scale
    layers = encoder.last_layers
    ways = {
        "linear, all texts (AdaptCLIPZS)": AdapterRecipe(),
        "linear, 5 matched texts (GIST)": AdapterRecipe(matched=5),
        "linear, class means of bags": AdapterRecipe(loss="bags"),
    }
    for name, recipe in ways.items():
        begun = time.perf_counter()
        adapter = tune_linear(train.vectors, train.labels, bags, scale=scale, recipe=recipe)
        yield name, adapter, time.perf_counter() - begun
    begun = time.perf_counter()
    low_rank = tune_low_rank(layers, train.features, train.labels, bags, scale=scale)
    yield "low-rank, all texts", low_rank, time.perf_counter() - begun


def main(given) -> None:
    home = given.home or Path(tempfile.mkdtemp())
    with open_stores(home) as stores:
        encoder = stores.encoder("aviary")
        pictures = home / f"pictures-{given.difficulty:g}"
        known = known_species()
        train = see(encoder, pictures / "known", known, given, images=given.images, seed=given.seed)
        books = [species_book(given.seed + n, new=80, known=0) for n in range(given.books)]
        new = [
            see(encoder, pictures / f"new-{n}", book, given, images=20, seed=given.seed + n)
            for n, book in enumerate(books)
        ]
        clusters = pooled_clusters([each.labels.numpy() for each in new])
        print(
            f"tuned on {len(train.labels)} images of {len(known)} known species; top-1 on {len(clusters)} "
            f"images of {80 * given.books} new ones, difficulty {given.difficulty:g}; intervals "
            "resample species"
        )
        rows = []
        for mistakes in MISTAKES:
            texts = described(encoder, known, mistakes, given.seed)
            bags = [described(encoder, book, mistakes, given.seed + n) for n, book in enumerate(books)]
            frozen = joined_right([right(s.vectors, s, b) for s, b in zip(new, bags, strict=True)])
            rows.append((mistakes, "frozen", frozen, None, 0.0))
            for name, adapter, seconds in tuned(train, texts, encoder):
                inputs = [s.features if isinstance(adapter, LowRankAdapter) else s.vectors for s in new]
                each = [right(adapter(x), s, b) for x, s, b in zip(inputs, new, bags, strict=True)]
                found = joined_right(each)
                rows.append((mistakes, name, found, paired_difference(found, frozen, clusters), seconds))
        adjusted = holm_column([None if gap is None else gap.p for *_, gap, _ in rows])
        for (mistakes, name, found, gap, seconds), p in zip(rows, adjusted, strict=True):
            line = f"mistakes {mistakes:4.0%}  {name:33} {100 * found.mean():5.1f}"
            if gap is not None:
                ends = f"[{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
                line += f"  {100 * gap.value:+5.1f} {ends:14} p {p:.3f}  {seconds:5.1f} s"
            print(line)


def joined_right(parts):
    return torch.cat([torch.from_numpy(part) for part in parts]).numpy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12, help="images of each known species")
    parser.add_argument("--books", type=int, default=3)
    parser.add_argument("--seed", type=int, default=201)
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--home", type=Path, help="where pictures and vectors are kept")
    main(parser.parse_args())
