"""Small runs for the studio to show, made of records and drawn pictures, without any model."""

from pathlib import Path

from PIL import Image
from starlette.testclient import TestClient

from fieldmark.app.jobs.demo import Demo
from fieldmark.records import CandidateClass, Contribution, ImageToLabel, Prediction, PromptBook
from fieldmark.studio.access import Access
from fieldmark.studio.application import make_studio
from fieldmark.studio.desk import Desk
from fieldmark.studio.shelf import RunShelf
from fieldmark.tools.images.files import find_images
from fieldmark.tools.images.small import SmallCopies
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import write_ask
from tests.unit.evals.report.runs_to_report import manifest_of

CLASSES = ("robin", "<script>alert(1)</script>", "wren & co")
HERE = "http://127.0.0.1:8765"
FORM = {"origin": HERE}
"""What a browser says of a form of ours."""


def pictures_in(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = f"<b>{number:03}</b> & \u202egpj.png"
        Image.new("RGB", (64, 48), (number % 256, 90, 200)).save(folder / name.replace("/", "∕"))


def made_run(
    runs: Path, pictures: Path, *, count: int = 8, asks: int = 3, rule: str = "evidence", **manifest: object
) -> RunFolder:
    """A run of drawn pictures: the first ones open, the last one rejected, the others resolved."""
    pictures_in(pictures, count)
    images = find_images([pictures]).images
    run = RunFolder.create(
        runs,
        kind="classify",
        options={
            "classes": list(CLASSES),
            "images": [str(pictures)],
            "folder": str(Path.cwd()),
            "options": {"rule": rule},
        },
    )
    predictions = [
        Prediction(
            image=str(image.path),
            image_hash=image.content_hash,
            label=CLASSES[at % 3],
            confidence=0.3 + at / (2 * count),
            status="open" if at < asks else "rejected" if at == count - 1 else "resolved",
            candidates=(
                CandidateClass(class_name=CLASSES[at % 3], probability=0.6),
                CandidateClass(class_name=CLASSES[(at + 1) % 3], probability=0.4),
            ),
            candidates_left=2 if at < asks else 1,
            rounds=1,
            runner_up=CLASSES[(at + 1) % 3],
            margin=0.5,
            contributions=(
                Contribution(
                    attribute="bill <img src=x onerror=alert(1)>",
                    contribution=0.9,
                    label_value="red",
                    runner_up_value="blue",
                    seen="red",
                ),
                Contribution(
                    attribute="legs",
                    contribution=-0.4,
                    label_value="long",
                    runner_up_value="short",
                    seen="short",
                ),
            ),
        )
        for at, image in enumerate(images)
    ]
    run.write_predictions(predictions)
    run.write_book(PromptBook(classes=CLASSES, noun="bird", prompts=()))
    write_ask(
        run,
        [
            ImageToLabel(
                image=p.image,
                image_hash=p.image_hash,
                guess=p.label,
                candidates=tuple(c.class_name for c in p.candidates),
                probabilities=(0.6, 0.4),
                why="uncertain",
            )
            for p in predictions[:asks]
        ],
    )
    counts = {"resolved": count - asks - 1, "open": asks, "rejected": 1}
    run.write_manifest(manifest_of(run, **{"counts": counts, **manifest}))
    return run


def desk_for(
    place: Path,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    demo: Demo | None = None,
) -> Desk:
    return Desk(
        access=Access(key=b"k" * 32, host=host, token=token),
        runs=RunShelf(place / "runs"),
        pictures=SmallCopies(place / "small"),
        home=place / "home",
        demo=demo,
    )


def visitor(desk: Desk, address: str = HERE) -> TestClient:
    """A browser, as far as a test needs one; faults of ours are raised."""
    return TestClient(make_studio(desk), base_url=address)


def form_token(page: str) -> str:
    return page.partition('name="form_token" value="')[2].partition('"')[0]
