"""Images and texts a second from files to stored vectors, beside a bare forward loop in the same run.

    python benchmarks/encode.py --clip aviary
    python benchmarks/encode.py --clip ViT-B-32:random --device cuda --images 4096 --size 500

The bare loop has its inputs preprocessed, tokenized and in memory, uses open_clip's own `encode_image` and
`encode_text`, and keeps nothing. Both run in turns, and the medians are compared, as other work on the
machine slows both. Where a machine is busy, compare the processor seconds instead, with `--threads 1`:
threads of torch that wait for each other count as busy.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.tools.clip.clip import ClipEncoder, open_encoder
from fieldmark.tools.images.decode import decode_bytes
from fieldmark.tools.images.files import find_images

TEXT = "photo bird crimson belly long forked tail short pale bill dark wing bars at dawn with a red cap"


def make_images(folder: Path, *, count: int, size: int, seed: int = 0) -> None:
    """Distinct JPEG files with some structure, as noise alone is the hardest case for a JPEG decoder."""
    chance = np.random.default_rng(seed)
    for i in range(count):
        coarse = chance.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(
            folder / f"{i:06}.jpg", quality=90
        )


def make_texts(count: int) -> list[str]:
    """Distinct texts of 8 to 18 words."""
    chance, words = np.random.default_rng(1), TEXT.split()
    return [f"{i} " + " ".join(chance.choice(words, size=int(chance.integers(7, 18)))) for i in range(count)]


def seconds(run: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Wall and processor seconds of one call, the device's own queue included."""
    started = time.perf_counter(), time.process_time()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started[0], time.process_time() - started[1]


def bare_images(encoder: ClipEncoder, inputs: torch.Tensor, batch: int) -> None:
    network = encoder._loaded()
    with torch.inference_mode(), network._autocast():
        for start in range(0, len(inputs), batch):
            network._model.encode_image(inputs[start : start + batch].to(encoder.device), normalize=True)


def bare_texts(encoder: ClipEncoder, inputs: torch.Tensor, batch: int) -> None:
    network = encoder._loaded()
    with torch.inference_mode(), network._autocast():
        for start in range(0, len(inputs), batch):
            network._model.encode_text(inputs[start : start + batch].to(encoder.device), normalize=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", default="aviary")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--size", type=int, default=64, help="side of the JPEG files, in pixels")
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64, help="inputs per batch of the bare loop")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, help="torch threads on the CPU; by default torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        make_images(folder, count=options.images, size=options.size)
        texts = make_texts(options.texts)
        started = time.perf_counter()
        images = find_images(folder).images
        scan = time.perf_counter() - started

        def fresh(turn: str) -> ClipEncoder:
            return open_encoder(
                options.clip,
                vectors=lambda _, width: open_vector_store(Path(scratch) / turn, width=width),
                device=options.device,
                precision=options.precision,
            )

        first = fresh("first")
        network = first._loaded()
        prepared = [
            network.prepare_image(decode_bytes(each.path.read_bytes(), path=each.path)) for each in images
        ]
        pixels = (
            torch.stack(prepared).permute(0, 3, 1, 2).float() / 255 - network._mean.cpu()
        ) / network._std.cpu()
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        tokens = torch.stack([network.tokens.read(text).tokens for text in texts])
        bare_images(first, pixels[:256], options.batch)
        bare_texts(first, tokens[:256], options.batch)

        taken: dict[str, list[tuple[float, float]]] = {
            name: [] for name in ("images", "images_bare", "texts", "texts_bare", "warm")
        }
        for turn in range(options.repeats):
            encoder = fresh(str(turn))
            encoder._network = network  # loading is not what is measured
            taken["images_bare"].append(
                seconds(lambda: bare_images(first, pixels, options.batch), first.device)
            )
            taken["images"].append(seconds(lambda: encoder.encode_images(images), first.device))  # noqa: B023
            taken["texts_bare"].append(
                seconds(lambda: bare_texts(first, tokens, options.batch), first.device)
            )
            taken["texts"].append(seconds(lambda: encoder.encode_texts(texts), first.device))  # noqa: B023
            taken["warm"].append(
                seconds(lambda: (encoder.encode_images(images), encoder.encode_texts(texts)), first.device)  # noqa: B023
            )
            print(f"turn {turn + 1} of {options.repeats}", file=sys.stderr)

    median = {name: statistics.median(wall for wall, _ in values) for name, values in taken.items()}
    busy = {name: statistics.median(processor for _, processor in values) for name, values in taken.items()}
    report = {
        "model": options.clip,
        "device": str(first.device)
        if first.device.type == "cpu"
        else torch.cuda.get_device_name(first.device),
        "precision": first.precision,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "images": len(images),
        "texts": len(texts),
        "scan_s": round(scan, 2),
        "images_per_s": round(len(images) / median["images"], 1),
        "images_per_s_bare": round(len(images) / median["images_bare"], 1),
        "images_ratio": round(median["images_bare"] / median["images"], 2),
        "images_processor_ratio": round(busy["images_bare"] / busy["images"], 2),
        "images_per_processor_s": round(len(images) / busy["images"], 1),
        "texts_per_s": round(len(texts) / median["texts"], 1),
        "texts_per_s_bare": round(len(texts) / median["texts_bare"], 1),
        "texts_ratio": round(median["texts_bare"] / median["texts"], 2),
        "texts_processor_ratio": round(busy["texts_bare"] / busy["texts"], 2),
        "texts_per_processor_s": round(len(texts) / busy["texts"], 1),
        "all_stored_s": round(median["warm"], 2),
        "image_batch": encoder._image_batch.size,
        "text_batch": encoder._text_batch.size,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
