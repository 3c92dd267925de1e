"""How fast the studio's pages of many images are, and how much memory its server takes.

A run and a concept over the same images, with small pictures of them, are made here by a generator: no model
is loaded. The concept waits with a board of five, and has a blind test of a hundred.

    python benchmarks/studio/speed.py [--images 100000] [--json]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from fieldmark.agents.define.waiting import WAITING, Waiting
from fieldmark.app.concepts.named import concept_home
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.records import (
    CandidateClass,
    Clause,
    Concept,
    Contribution,
    Definition,
    EncoderUsage,
    ImageToLabel,
    Label,
    Prediction,
    RunManifest,
    Usage,
    Version,
)
from fieldmark.records.conversation import BoardToLabel
from fieldmark.tools.concepts.folder import SETUP, ConceptFolder
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import write_ask

CLASSES = tuple(f"species {number:02}" for number in range(80))
ATTRIBUTES = tuple(f"attribute {number}" for number in range(12))
BOARD, BLIND = 5, 100
LOOKS = 32
"""Distinct small pictures; the images share them."""


def predictions(count: int, *, seed: int = 0):
    """Predictions of so many images, a third of them open."""
    draws = np.random.default_rng(seed)
    for number in range(count):
        confidence = float(draws.uniform(0.2, 1.0))
        label, other = (int(each) for each in draws.integers(0, len(CLASSES), 2))
        other = (other + (other == label)) % len(CLASSES)
        yield Prediction(
            image=f"photos/{number // 1000:03}/{number:06}.jpg",
            image_hash=sha256(str(number).encode()).hexdigest(),
            label=CLASSES[label],
            confidence=confidence,
            status="open" if confidence < 0.45 else "resolved",
            candidates=tuple(
                CandidateClass(
                    class_name=CLASSES[(label + each) % len(CLASSES)], probability=confidence / 2**each
                )
                for each in range(4)
            ),
            candidates_left=4,
            rounds=2,
            runner_up=CLASSES[other],
            margin=0.5,
            contributions=tuple(
                Contribution(
                    attribute=name,
                    contribution=float(draws.normal()),
                    label_value=f"a value of {name}",
                    runner_up_value=f"another value of {name}",
                    seen=f"a value of {name}",
                )
                for name in ATTRIBUTES
            ),
        )


def make_run(place: Path, count: int) -> RunFolder:
    """A finished run in `runs`, and its small pictures in the home of a studio."""
    run = RunFolder.create(
        place / "runs",
        kind="classify",
        options={
            "classes": list(CLASSES),
            "images": ["photos"],
            "folder": str(place),
            "options": {"rule": "evidence"},
        },
    )
    looks = place / "looks"
    looks.mkdir()
    draws = np.random.default_rng(1)
    for number in range(LOOKS):
        pixels = draws.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((320, 320), Image.Resampling.BICUBIC).save(looks / f"{number}.webp")
    small, made = place / "home" / "studio" / "pictures", []
    for first in range(256):
        (small / f"{first:02x}").mkdir(parents=True, mode=0o700)

    def kept():
        for number, each in enumerate(predictions(count)):
            if len(made) < 20 and each.status == "open":
                made.append(each)
            for side in (320, 960):
                os.link(
                    looks / f"{number % LOOKS}.webp",
                    small / each.image_hash[:2] / f"{each.image_hash}-{side}.webp",
                )
            yield each

    run.write_predictions(kept())
    write_ask(
        run,
        [
            ImageToLabel(
                image=p.image,
                image_hash=p.image_hash,
                guess=p.label,
                candidates=(p.label,),
                probabilities=(0.5,),
                why="uncertain",
            )
            for p in made
        ],
    )
    run.write_manifest(
        RunManifest.model_validate(
            {
                "run_id": run.run_id, "kind": "classify", "created": "2026-03-04T05:06:07+00:00",
                "finished": "2026-03-04T05:07:07+00:00", "versions": {}, "encoder": {"name": "none"},
                "language_model": {}, "prompts": {}, "data_hash": "d", "usage": Usage(),
                "encoder_usage": EncoderUsage(), "stop_reason": "no_progress",
                "counts": {"resolved": count, "open": 0, "rejected": 0},
                "seed": 0,
            }
        )
    )  # fmt: skip
    return run


def make_concept(place: Path, count: int) -> ConceptFolder:
    """A concept over the images of the run, at a board, after a few questions and boards."""
    folder = ConceptFolder(concept_home(place / "home") / "many")
    images = [
        ImageFile(place / "photos" / f"{number:06}.jpg", sha256(str(number).encode()).hexdigest())
        for number in range(count)
    ]
    folder.save_pool(images)
    folder.write(SETUP, ConceptSetup(clip="none", vlm="none"))
    hashes = [image.content_hash for image in images]
    blind = hashes[-BLIND:]
    (place / "photos").mkdir()
    for image in images[-BLIND:]:  # a picture of a blind test is shown where its file is there
        image.path.touch()
    at = "2026-03-04T05:06:07+00:00"
    clause = Clause(id="c1", role="necessary", text="It has stripes.", state="agreed")
    folder.save(
        Concept(
            name="many",
            versions=(Version(number=1, definition=Definition(clauses=(clause,)), why="drafted", at=at),),
            current=1,
            labels=tuple(
                Label(image=each, value="in" if number % 2 else "out", split="dev", at=at)
                for number, each in enumerate(hashes[100:160])
            ),
            blind=dict.fromkeys(blind, 1.0),
            blind_drawn=True,
        )
    )
    board = BoardToLabel(turn="t", images=tuple(hashes[:BOARD]), number=9)
    folder.write(WAITING, Waiting(question=board, version=1))
    return folder


def talked(visitor: Any, address: str, folder: ConceptFolder) -> dict[str, float]:
    """Seconds by page of the concept: a board, its labels one by one, the blind test."""
    here, found = f"/concepts/{folder.path.name}", dict[str, float]()
    found["board, the first time"], found["board"], page = seconds_of(visitor, "GET", here)
    picture = re.search(r'src="([^"]*/pictures/large/[^"]+)"', page.text)[1]
    _, found["a picture of a board"], _ = seconds_of(visitor, "GET", picture)
    for name, path, times in (
        ("a label and the next picture", here, BOARD),
        ("blind label and the next", f"{here}/blind", 20),
    ):
        page, took = visitor.get(path), []
        for _ in range(times):
            data = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.text)) | {
                "value": "in"
            }
            began = time.perf_counter()
            page = visitor.post(
                f"{here}/label" if path == here else path, data=data, headers={"origin": address.rstrip("/")}
            )
            took.append(time.perf_counter() - began)
            assert page.status_code == 200, page.text[:300]
        found[name] = float(np.median(took))
    return found


def seconds_of(visitor: Any, method: str, path: str, times: int = 5, **more: Any) -> tuple[float, float, Any]:
    """The first time, the median of the others, and the last answer."""
    took: list[float] = []
    for _ in range(times + 1):
        began = time.perf_counter()
        answer = visitor.request(method, path, **more)
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
    return took[0], float(np.median(took[1:])) if times else took[0], answer


def memory_of(pid: int) -> float:
    """The most memory that a process had, in GiB."""
    said = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(said[1]) / 2**20 if said else float("nan")


def measured(place: Path, run: RunFolder) -> dict[str, float]:
    """Seconds by page, and GiB."""
    environment = {**os.environ, "FIELDMARK_HOME": str(place / "home")}
    command = [sys.executable, "-m", "fieldmark", "studio", "--port", "0", "--runs", str(place / "runs")]
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().rpartition(" ")[2].strip()
            found = {"start of the server": time.perf_counter() - began}
            here = f"/runs/{run.run_id}"
            with httpx2.Client(base_url=address, follow_redirects=True, timeout=300) as visitor:
                found["first page"], found["first page again"], _ = seconds_of(visitor, "GET", "/")
                found["gallery, the first time"], found["gallery"], page = seconds_of(visitor, "GET", here)
                _, found["gallery, one label"], _ = seconds_of(
                    visitor, "GET", f"{here}?label={CLASSES[3]}&order=name"
                )
                _, found["gallery, last page"], _ = seconds_of(visitor, "GET", f"{here}?page=100000")
                _, found["confused classes"], _ = seconds_of(visitor, "GET", f"{here}/confused")
                picture = re.search(r'src="([^"]*/pictures/small/[^"]+)"', page.text)[1]
                _, found["a picture"], _ = seconds_of(visitor, "GET", picture)
                _, found["page to label"], page = seconds_of(visitor, "GET", f"{here}/asked/next")
                took = []
                for _ in range(10):  # a label, and the page of the next image, as a person waits for it
                    token = re.search(r'name="form_token" value="([^"]+)"', page.text)[1]
                    data = {"form_token": token, "answer": "cannot tell"}
                    began = time.perf_counter()
                    page = visitor.post(str(page.url), data=data, headers={"origin": address.rstrip("/")})
                    took.append(time.perf_counter() - began)
                    assert page.status_code == 200, page.text[:300]
                found["a label and the next image"] = float(np.median(took))
                _, found["an image among all"], _ = seconds_of(
                    visitor, "GET", f"{here}/images/{picture.rpartition('/')[2]}"
                )
                found |= talked(visitor, address, ConceptFolder(concept_home(place / "home") / "many"))
            found["memory in GiB"] = memory_of(process.pid)
            return found
        finally:
            process.terminate()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, default=100_000)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run = make_run(place, chosen.images)
        make_concept(place, chosen.images)
        found = measured(place, run)
    if chosen.json:
        print(
            json.dumps({"images": chosen.images, **{name: round(value, 4) for name, value in found.items()}})
        )
        return
    print(f"{chosen.images:,} images")
    for name, value in found.items():
        print(f"{name:32}{value:8.3f}" + ("" if "memory" in name else " s"))


if __name__ == "__main__":
    main()
