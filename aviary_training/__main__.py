"""Reproduces the bundled model on a CPU: `python -m aviary_training --out DIR`."""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from open_clip.model import CLIP
from safetensors.torch import load_file, save_file

from aviary_training.align import Stage, align
from aviary_training.bpe import learn_merges, write_merges
from aviary_training.captions import training_caption
from aviary_training.card import write_card
from aviary_training.data import render_training_images
from aviary_training.export import export_model
from aviary_training.measure import measure
from aviary_training.model import build_model, load_tokenizer
from aviary_training.warmup import warm_up
from fieldmark.aviary.world.attributes import HABITATS, LIGHTS, NOUNS
from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import known_species, random_marks, species_book

MERGES, MERGE_CAPTIONS = 900, 24_000
TRAINING_SEED, HELD_OUT_SEED, MEASURED_BOOK = 1, 2, 90_210
HELD_OUT = 2_000


def stages(minutes: float) -> tuple[float, tuple[Stage, ...]]:
    """Divide the time: minutes of warm-up, and the stages of alignment after it."""
    locked = Stage("locked", 0.15 * minutes, 256, text_rate=1.5e-3, image_rate=5e-4, locked=True)
    joint = Stage("joint", 0.5 * minutes, 128, text_rate=6e-4, image_rate=8e-4, locked=False)
    return 0.35 * minutes, (locked, joint)


def merge_captions() -> Iterator[str]:
    """Captions of random birds from which the tokenizer's merges are learned; always the same ones."""
    rng, roster = random.Random("fieldmark aviary merges"), known_species()
    for _ in range(MERGE_CAPTIONS):
        species = rng.choice(roster) if rng.random() < 0.4 else None
        noun = species.noun if species else rng.choice((*NOUNS, None))
        marks = species.marks if species else random_marks(rng, noun)
        yield training_caption(marks, rng.choice(HABITATS), rng.choice(LIGHTS), noun, species, rng)


def train(
    out: Path,
    work: Path,
    *,
    images: int,
    minutes: float,
    compiled: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Render, warm up, align and export; finished steps found in `work` are not repeated.

    Args:
        out: Model folder, written after every stage of alignment.
        work: Folder for training images and checkpoints.
        images: Number of training images.
        minutes: Wall time of all training, without rendering and measuring.
        compiled: Whether to compile the vision tower (about 1.3 times as fast; needs a C++ compiler).
        report: Gets a line now and then.
    """
    work.mkdir(parents=True, exist_ok=True)
    merges = work / "bpe.txt.gz"
    if not merges.exists():
        write_merges(learn_merges(merge_captions(), MERGES), merges)
    tokenizer = load_tokenizer(merges)
    pictures = render_training_images(work, images, seed=TRAINING_SEED, report=report)
    held_out = render_training_images(work, HELD_OUT, seed=HELD_OUT_SEED, report=report)
    torch.manual_seed(0)
    model = build_model(tokenizer)
    if compiled:
        model.visual.compile()
    warm_minutes, aligned = stages(minutes)
    checkpoint = work / "warm.safetensors"
    if not _restore(model, checkpoint):
        warm_up(model, pictures, held_out, minutes=warm_minutes, checkpoint=checkpoint, report=report)
    for number, stage in enumerate(aligned):
        checkpoint = work / f"{stage.name}.safetensors"
        if not _restore(model, checkpoint):
            align(model, tokenizer, pictures, stage, seed=number, report=report)
            save_file({k: v.contiguous() for k, v in model.state_dict().items()}, checkpoint)
        export_model(model, tokenizer, merges, pictures, out)
        report_measures(out, work, images=images, minutes=minutes, report=report)


def report_measures(
    out: Path, work: Path, *, images: int, minutes: float, report: Callable[[str], None]
) -> None:
    """Measure the model in `out` on fresh species and write its card."""
    book = species_book(MEASURED_BOOK)
    data = work / f"measured-{MEASURED_BOOK}"
    truth = render_dataset(data, book, images_per_species=20, seed=MEASURED_BOOK)
    measured = measure(out, data, book, truth)
    write_card(out / "MODEL.md", measured, images=images, minutes=minutes, measured_on=len(truth))
    by_key = ", ".join(f"{key} {value:.2f}" for key, value in measured.attributes.items())
    report(
        f"measured: mean {measured.mean:.3f}; {by_key}; noun {measured.noun:.2f}; habitat "
        f"{measured.habitat:.2f}; known name {measured.known_name}; new name {measured.new_name}"
    )


def _restore(model: CLIP, checkpoint: Path) -> bool:
    if not checkpoint.exists():
        return False
    model.load_state_dict(load_file(checkpoint))
    return True


def main() -> int:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        prog="python -m aviary_training", description="Train the aviary model on a CPU."
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--work", type=Path, default=Path("aviary-training"), help="images, checkpoints")
    parser.add_argument("--images", type=int, default=72_000, help="training images (default: 72000)")
    parser.add_argument("--minutes", type=float, default=45, help="training time (default: 45)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default: 2)")
    parser.add_argument("--compile", action="store_true", help="compile the vision tower")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)

    def report(line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    train(
        chosen.out,
        chosen.work,
        images=chosen.images,
        minutes=chosen.minutes,
        compiled=chosen.compile,
        report=report,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
