"""What one GPU makes of the encoder and of scoring, beside a bare loop and the CPU, in under eight minutes.

    python -m benchmarks.gpu --json gpu.json
    python -m benchmarks.gpu --device cpu --small    # a tiny version, to see that it runs

Every part is measured and told by itself, as a table and as JSON; one that fails says why, and the next
begins. Without the device it says so and exits with code 2. It asserts nothing. Models have random weights:
nothing is downloaded. The bare loops have their inputs on the device and keep nothing: one runs under
autocast as the encoder does, the other has its weights in bfloat16, which is another arithmetic.
"""

import argparse
import copy
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.busy import second_step, table
from benchmarks.encode import make_images, make_texts, seconds
from fieldmark.cache.vectorstore import MemoryVectorStore, open_vector_store
from fieldmark.tools.clip.batches import prepared_ahead
from fieldmark.tools.clip.clip import ClipEncoder, open_encoder
from fieldmark.tools.clip.engines.filling import SHARD
from fieldmark.tools.clip.engines.work import ShardEncoder, worker_model
from fieldmark.tools.images.files import ImageFile, decode_image, find_images
from fieldmark.tools.images.pool_shard import PoolShard

HALF = 2.0**-11
"""The relative precision of a stored float16 value."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured.

    Attributes:
        models: Their names, each with how many images and how many pictures for the comparison with the CPU.
        texts: Texts of each.
        batch: Inputs per batch of the bare loops.
        side: Side of the JPEG files, in pixels.
        turns: Medians are of so many.
        scored: Images of the table rule and of FuDD's second step.
        within: Seconds after which no further part is begun.
    """

    models: dict[str, tuple[int, int]]
    texts: int
    batch: int
    side: int
    turns: int
    scored: int
    within: float = 420.0


FULL = Sizes(
    {"ViT-B-32:random": (8192, 256), "ViT-L-14:random": (4096, 64)},
    texts=16_384, batch=1024, side=500, turns=3, scored=20_000,
)  # fmt: skip
SMALL = Sizes({"aviary": (64, 16)}, texts=32, batch=32, side=64, turns=1, scored=200)


class Told:
    """What was measured, printed as it comes."""

    def __init__(self, within: float) -> None:
        self.rows: list[dict[str, Any]] = []
        self._ends = time.perf_counter() + within

    def say(self, model: str, what: str, **values: Any) -> None:
        self.rows.append({"model": model, "what": what, **values})
        words = ", ".join(f"{name.replace('_', ' ')} {_worded(value)}" for name, value in values.items())
        print(f"{model:<18} {what:<46} {words}", flush=True)

    def part(self, model: str, what: str, measure: Callable[[], None]) -> None:
        """Measure a part; what fails is told, not raised: the parts after it are worth having."""
        if time.perf_counter() > self._ends:
            self.say(model, what, skipped="the time is up")
            return
        try:
            measure()
        except Exception as error:  # whatever a driver, a codec or a kernel that is not there raises
            self.say(model, what, failed=" ".join(f"{type(error).__name__}: {error}".split())[:300])


def _worded(value: Any) -> str:
    return f"{value:,.3g}" if isinstance(value, float) and value < 100 else (
        f"{value:,.0f}" if isinstance(value, float) else str(value)
    )  # fmt: skip


def rate(work: Callable[[], object], count: int, device: torch.device, turns: int) -> float:
    """Inputs a second: the median of some turns after one that is not counted."""
    work()
    return count / statistics.median(seconds(work, device)[0] for _ in range(turns))


class Measured:
    """One model on the device, its pictures and its texts."""

    def __init__(self, spec: str, sizes: Sizes, device: str, scratch: Path, told: Told) -> None:
        self.spec, self.sizes, self.device, self.told = spec, sizes, torch.device(device), told
        self.scratch = scratch
        count, _ = sizes.models[spec]
        self.images = find_images(scratch / "images").images[:count]
        self.texts = make_texts(sizes.texts)
        self.encoder = self.opened("first", device)
        self.network = self.encoder._loaded()
        self._stores = 0
        self._bare = self._decoding = 0.0

    def opened(self, store: str, device: str, precision: str = "auto") -> ClipEncoder:
        return open_encoder(
            self.spec,
            vectors=lambda _, width: open_vector_store(self.scratch / store, width=width),
            device=device,
            precision=precision,
        )

    def fresh(self) -> ClipEncoder:
        """The encoder with an empty store on disk; its network and the batches that fit are kept."""
        self._stores += 1
        encoder = self.opened(f"{self.spec.replace(':', '-')}-{self._stores}", str(self.device))
        encoder._network = self.network
        encoder._image_batch, encoder._text_batch = self.encoder._image_batch, self.encoder._text_batch
        return encoder

    def everything(self) -> None:
        told, spec = self.told, self.spec
        for what, measure in (
            ("JPEG files decoded and shaped by threads", self.decoding),
            ("JPEG files decoded on the device", self.decoding_on_device),
            ("images, bare loop", self.bare),
            ("images, our pipeline from decoded ones", self.pipeline),
            ("images, file to stored vector", self.files),
            ("images, shard by shard as engines do", self.shards),
            ("texts, string to stored vector", self.strings),
            ("predictions on this device and on the CPU", self.agreement),
        ):
            told.part(spec, what, measure)

    def _prepared(self, images: Sequence[ImageFile]) -> list[torch.Tensor]:
        def prepare(image: ImageFile) -> torch.Tensor:
            return self.network.prepare_image(decode_image(image))

        return list(prepared_ahead(images, prepare, workers=self.encoder._workers, ahead=lambda: 2048))

    def decoding(self) -> None:
        some = self.images[: 2 * self.sizes.batch]
        self._decoding = rate(lambda: self._prepared(some), len(some), self.device, self.sizes.turns)
        self.told.say(self.spec, "JPEG files decoded and shaped by threads", images_per_s=self._decoding,
                      threads=self.encoder._workers)  # fmt: skip

    def decoding_on_device(self) -> None:
        """By torchvision, where it was built for it; nothing is resized, and Fieldmark does not use it."""
        from torchvision.io import decode_jpeg

        files = [torch.frombuffer(bytearray(each.path.read_bytes()), dtype=torch.uint8)
                 for each in self.images[: self.sizes.batch]]  # fmt: skip
        found = rate(
            lambda: decode_jpeg(files, device=self.device), len(files), self.device, self.sizes.turns
        )
        self.told.say(self.spec, "JPEG files decoded on the device", images_per_s=found)

    def bare(self) -> None:
        batch = self.network._pixels(self._prepared(self.images[: self.sizes.batch]))
        rounds = max(1, len(self.images) // len(batch))
        model, network = self.network._model, self.network

        def autocast() -> None:
            with torch.inference_mode(), network._autocast():
                for _ in range(rounds):
                    model.encode_image(batch, normalize=True)

        self._bare = rate(autocast, rounds * len(batch), self.device, self.sizes.turns)
        half = copy.deepcopy(model.visual).to(torch.bfloat16)
        pixels = batch.to(torch.bfloat16)

        def bf16() -> None:
            with torch.inference_mode():
                for _ in range(rounds):
                    half(pixels)

        cast = rate(bf16, rounds * len(batch), self.device, self.sizes.turns)
        self.told.say(self.spec, "images, bare loop", images_per_s=self._bare, with_bf16_weights=cast,
                      precision=self.encoder.precision)  # fmt: skip

    def _beside(self, what: str, found: float) -> None:
        decoding, bare = self._decoding or float("nan"), self._bare or float("nan")
        bound = min(decoding, bare)
        self.told.say(
            self.spec, what, images_per_s=found, ratio_to_bare=found / bare, ratio_to_the_bound=found / bound,
            bound="decoding" if decoding < bare else "the network",
        )  # fmt: skip

    def pipeline(self) -> None:
        """Decoding left out: the same prepared pixels come again and again."""
        some = self._prepared(self.images[: self.sizes.batch])
        again = max(1, len(self.images) // len(some))
        keyed = [(f"{turn}-{at}", each) for turn in range(again) for at, each in enumerate(some)]

        def run() -> None:
            store = MemoryVectorStore(width=self.encoder.width)
            self.encoder._run(
                keyed, self.network.images, self.encoder._image_batch, store, total=len(keyed), progress=None
            )

        found = rate(run, len(keyed), self.device, self.sizes.turns)
        self.told.say(self.spec, "images, our pipeline from decoded ones", images_per_s=found,
                      ratio_to_bare=found / (self._bare or float("nan")))  # fmt: skip

    def files(self) -> None:
        found = rate(
            lambda: self.fresh().encode_images(self.images), len(self.images), self.device, self.sizes.turns
        )
        self._beside("images, file to stored vector", found)

    def shards(self) -> None:
        model = worker_model(self.encoder, threads=self.encoder._workers)
        worker = ShardEncoder(model)
        worker._encoder._network = self.network
        parts = [
            PoolShard(
                places=tuple(str(each.path) for each in some),
                hashes=tuple(each.content_hash for each in some),
            )
            for at in range(0, len(self.images), SHARD)
            for some in (self.images[at : at + SHARD],)
        ]

        def run() -> None:
            for _ in worker.encode_all(parts):
                pass

        self._beside(
            "images, shard by shard as engines do", rate(run, len(self.images), self.device, self.sizes.turns)
        )

    def strings(self) -> None:
        found = rate(
            lambda: self.fresh().encode_texts(self.texts), len(self.texts), self.device, self.sizes.turns
        )
        read = self.network.tokens.read
        tokens = torch.stack([read(text).tokens for text in self.texts]).to(self.device)

        def bare() -> None:
            with torch.inference_mode(), self.network._autocast():
                for start in range(0, len(tokens), self.sizes.batch):
                    self.network._model.encode_text(tokens[start : start + self.sizes.batch], normalize=True)

        beside = rate(bare, len(self.texts), self.device, self.sizes.turns)
        self.told.say(self.spec, "texts, string to stored vector", texts_per_s=found, bare_texts_per_s=beside,
                      ratio_to_bare=found / beside)  # fmt: skip

    def agreement(self) -> None:
        """Top-1 of some pictures among a hundred texts, here and on the CPU in float32."""
        pictures = self.images[: self.sizes.models[self.spec][1]]
        texts = self.texts[:100]

        def scored(device: str, precision: str) -> torch.Tensor:
            encoder = self.opened(f"{self.spec.replace(':', '-')}-{device}-{precision}", device, precision)
            return encoder.encode_images(pictures).vectors @ encoder.encode_texts(texts).T

        exact = scored("cpu", "fp32")
        for precision in dict.fromkeys(("fp32", self.encoder.precision)):
            other = scored(str(self.device), precision)
            self.told.say(
                self.spec, f"predictions, {precision} here, fp32 on the CPU", **agreed(exact, other),
                largest_difference=float((exact - other).abs().max()),
            )  # fmt: skip


def agreed(exact: torch.Tensor, other: torch.Tensor) -> dict[str, Any]:
    """The share of rows with the same best column, and how many differ by more than stored values can."""
    first, second = exact.argmax(1), other.argmax(1)
    worse = exact.gather(1, first[:, None]) - exact.gather(1, second[:, None])
    return {
        "equal": float((first == second).float().mean()),
        "differ_beyond_precision": int((worse > 2 * HALF * exact.abs().amax()).sum()),
        "of": len(exact),
    }


def scoring(sizes: Sizes, device: str, told: Told) -> None:
    """The rules as they are, with the device as torch's default: they are written for the cores of a CPU."""
    for what, made in (
        ("table rule, five corrections", lambda where: table(sizes.scored, 100, 5, device=where)),
        ("FuDD's second step, k = 10", lambda where: second_step(sizes.scored, 37, 10, device=where)),
    ):

        def measure(what: str = what, made: Callable[[str], Callable[[], torch.Tensor]] = made) -> None:
            here, there, threads = made("cpu"), made(device), torch.get_num_threads()
            plain = rate(here, sizes.scored, torch.device("cpu"), sizes.turns)
            torch.set_num_threads(1)  # the default device holds for one thread alone
            try:
                with torch.device(device):
                    on_device = rate(there, sizes.scored, torch.device(device), sizes.turns)
                    found = there().cpu()
            finally:
                torch.set_num_threads(threads)
            told.say("scoring", what, images_per_s=on_device, cpu_images_per_s=plain,
                     ratio_to_cpu=on_device / plain, **agreed(here(), found))  # fmt: skip

        told.part("scoring", what, measure)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a few images of the aviary's model")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    given = parser.parse_args(arguments)
    if torch.device(given.device).type == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here that torch can use; --device cpu --small shows what would be measured.",
              file=sys.stderr)  # fmt: skip
        return 2
    sizes = SMALL if given.small else FULL
    on_gpu = torch.device(given.device).type == "cuda"
    machine = {
        "device": torch.cuda.get_device_name(given.device) if on_gpu else given.device,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
    }
    print(json.dumps(machine), flush=True)
    told = Told(sizes.within)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        draw(folder, max(count for count, _ in sizes.models.values()), sizes.side)
        for spec in sizes.models:
            told.part(spec, "all", partial(measure_model, spec, sizes, given.device, Path(scratch), told))
            if on_gpu:
                torch.cuda.empty_cache()
        scoring(sizes, given.device, told)
    took = time.perf_counter() - began
    print(f"{took:.0f} s in all")
    if given.json is not None:
        report = {**machine, "seconds": took, "rows": told.rows}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def measure_model(spec: str, sizes: Sizes, device: str, scratch: Path, told: Told) -> None:
    Measured(spec, sizes, device, scratch, told).everything()


def draw(folder: Path, count: int, side: int) -> None:
    """Distinct JPEG files, drawn by threads."""
    parts = min(16, os.cpu_count() or 1)

    def some(part: int) -> None:
        own = folder / f"{part:02}"
        own.mkdir()
        make_images(own, count=-(-count // parts), size=side, seed=part)

    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(some, range(parts)))


if __name__ == "__main__":
    sys.exit(main())
