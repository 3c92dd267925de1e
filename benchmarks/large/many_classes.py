"""Ten thousand classes through the real resolve graph, with made-up vectors and a script for a model.

It says what was asked, how long each step took, and the peak of memory. It asserts nothing. "structured"
images show the marks of their class with noise; "random" ones show nothing at all.

python benchmarks/large/many_classes.py --classes 10000 --images 100000 --calls 12000
"""

import argparse
import asyncio
import hashlib
import re
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.estimate import estimated
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import LimitReached
from fieldmark.records import Question
from fieldmark.testing import HashingEncoder, ScriptedModel, data_of
from fieldmark.tools.clip.encoder import EncodedImages
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.events import Event, QuestionAnswered
from fieldmark.tools.runs.folder import RunFolder

PARTS, SHADES, WIDTH = 6, 24, 256


class MadeUp(HashingEncoder):
    """Vectors by number: an image shows its class's shades, a text those that it names."""

    def __init__(self, codes: torch.Tensor, vectors: torch.Tensor, marks: torch.Tensor) -> None:
        super().__init__(width=WIDTH, name="made-up")
        self._codes, self._vectors, self._marks = codes, vectors, marks

    def encode_images(self, images: Sequence[ImageFile], *, progress: Any = None) -> EncodedImages:
        return EncodedImages(self._vectors, torch.ones(len(images), dtype=torch.bool))

    def text_vector(self, text: str) -> torch.Tensor:
        chance = torch.Generator().manual_seed(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16))
        vector = 0.3 * torch.nn.functional.normalize(torch.randn(WIDTH, generator=chance), dim=0)
        for shade, part in re.findall(r"shade(\d+) part(\d+)", text):
            vector = vector + self._marks[int(part), int(shade)]
        return vector


def script(codes: torch.Tensor, calls: int) -> ScriptedModel:
    """True answers, until the calls are used up."""
    asked = 0

    def phrase(name: str, part: int) -> str:
        return f"a shade{int(codes[int(name.split()[1]), part])} part{part}"

    def answer(question: Question[Any]) -> Any:
        nonlocal asked
        asked += 1
        if asked > calls:
            return LimitReached("The calls that were allowed are used up.")
        data = data_of(question)
        if "attributes" in data:
            parts = [(each["name"], int(each["name"].split("part")[1][0])) for each in data["attributes"]]
            return {"entries": [{"attribute": n, "value": phrase(data["class"], p)} for n, p in parts]}
        if "class" in data:
            return {"descriptors": [phrase(data["class"], part) for part in range(2)]}
        tried = {int(name.split("part")[1][0]) for name in data.get("tried", ())}
        parts = [part for part in range(PARTS) if part not in tried][:3] or [0]
        return {
            "differences": [
                {
                    "attribute": f"part{part} shade",
                    "values": [{"class_name": n, "value": phrase(n, part)} for n in data["classes"]],
                }
                for part in parts
            ]
        }

    return ScriptedModel(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("classes", 10_000), ("images", 100_000), ("calls", 12_000), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--kind", choices=("structured", "random"), default="structured")
    parser.add_argument("--start", choices=("names", "descriptors"), default="descriptors")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    chance = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize
    codes = torch.randint(0, SHADES, (given.classes, PARTS), generator=chance)
    marks = unit(torch.randn(PARTS, SHADES, WIDTH, generator=chance), dim=2)
    truth = torch.arange(given.images) % given.classes
    vectors = 2 * unit(torch.randn(given.images, WIDTH, generator=chance), dim=1)
    if given.kind == "structured":
        for part in range(PARTS):
            vectors += marks[part, codes[truth, part]]
    vectors = unit(vectors, dim=1)
    names = tuple(f"species {number:05}" for number in range(given.classes))
    images = tuple(
        ImageFile(Path(f"/made-up/{n}.png"), hashlib.sha256(str(n).encode()).hexdigest())
        for n in range(given.images)
    )
    options = ResolveOptions(noun="thing", start=given.start, max_rounds=given.rounds)
    before = asyncio.run(estimated(names, len(images), noun="thing", options=options, llm=None, vlm=None))
    began, spent = time.perf_counter(), time.process_time()

    def progress(event: Event) -> None:
        if not isinstance(event, QuestionAnswered):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            shown = str(event)[:150]
            print(
                f"{time.perf_counter() - began:7.1f} s {time.process_time() - spent:7.1f} s processor "
                f"{peak:5.2f} GiB  {type(event).__name__} {shown}",
                flush=True,
            )

    print(f"{given.classes:,} classes, {given.images:,} images, {given.kind}; at most {given.calls:,} calls")
    print(f"said beforehand: at most {before.follow_up_most:,} follow-up questions", flush=True)
    with TemporaryDirectory() as folder:
        llm = script(codes, given.calls)
        run = RunFolder(Path(folder))
        context = ResolveContext(
            classes=names, images=images, encoder=MadeUp(codes, vectors, marks), llm=llm,
            arrays=ArrayStore(Path(folder) / "arrays"), run=run, options=options, progress=progress,
        )  # fmt: skip
        state = asyncio.run(run_resolve(context))
        predictions = list(run.read_predictions())
        right = sum(p.label == names[int(t)] for p, t in zip(predictions, truth, strict=True))
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{time.perf_counter() - began:.0f} s ({time.process_time() - spent:.0f} s of processor time), peak "
        f"{peak:.2f} GiB, {disk / 2**20:.0f} MiB on disk; {len(llm.asked):,} asked; {context.rule}; stopped: "
        f"{state.stop_reason}, top-1 {right / len(predictions):.3f}"
    )


if __name__ == "__main__":
    main()
