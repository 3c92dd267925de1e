"""Every method that can label a folder says of its images what its row of the table says of them."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark import Classifier, EvalOptions, Evaluator
from fieldmark.app.by_method.choice import options_for
from fieldmark.app.evaluate.inputs import OwnData
from fieldmark.errors import InputError
from fieldmark.evals.methods.registry import METHODS
from fieldmark.evals.table.chosen_names import FED
from fieldmark.evals.table.records import MethodRun, TestRecord
from fieldmark.evals.table.run import RUNS, TRUTH
from fieldmark.records import ClassProbabilities, Origin, Prompt, PromptBook, Question
from fieldmark.testing import ScriptedModel
from fieldmark.tools.clip.encoder import Features
from fieldmark.tools.clip.last_layers import Projection
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.world import PARTS, WIDTH, FakeEncoder, FakeModel, World

WORLD = World(names=("finch", "heron", "gull", "owl", "crane"))
IMAGES, SHOTS, POOL = 3, 4, 6
USABLE = [method for method in METHODS if options_for(method.key) is not None and method.key != "resolve"]


class Whole(FakeEncoder):
    """An encoder that shows its last layers and has a reference pool, which some methods need."""

    last_layers = Projection(torch.eye(WIDTH))
    reference = torch.nn.functional.normalize(torch.arange(2.0 * WIDTH).reshape(2, WIDTH).cos(), dim=1)

    def encode_features(self, images: Sequence[ImageFile], *, progress: object = None) -> Features:
        rows = torch.stack([self.image_vector(image) for image in images])
        return Features(rows.half(), torch.ones(len(images), dtype=torch.bool))


def picks_by_length(question: Question[Any]) -> dict[str, Any]:
    """An answer that depends on nothing but the picture."""
    picked = len(question.messages[-1].images[-1].data_url) % len(question.about)
    return {"rationale": "", "choice": sorted(question.about)[picked], "confidence": 80}


def draw(folder: Path, number: int, copies: range) -> list[Path]:
    """Pictures by whose names the made-up encoder knows what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}-{copy}.png" for copy in copies]
    for copy, path in zip(copies, paths, strict=True):
        Image.fromarray(np.full((4, 4, 3), (number * 40, copy * 9, 7), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/test`, `data/train`, `pool`, `captions.jsonl` and `tree.csv`."""
    place = tmp_path_factory.mktemp("folder")
    rows: list[str] = []
    for number, name in enumerate(WORLD.names):
        draw(place / "data" / "test" / name, number, range(IMAGES))
        draw(place / "data" / "train" / name, number, range(10, 10 + SHOTS))
        for path in draw(place / "pool", number, range(20, 20 + POOL)):
            rows.append(
                json.dumps({"image": path.name, "caption": f"a bird with {WORLD.value(name, 'belly')}"})
            )
    (place / "captions.jsonl").write_text("\n".join(rows))
    tree = [
        "child,parent",
        *(f"{name},{'small' if at % 2 else 'large'}" for at, name in enumerate(WORLD.names)),
    ]
    (place / "tree.csv").write_text("\n".join(tree))
    return place


@pytest.fixture(scope="module")
def measured(place: Path) -> tuple[TestRecord, dict[str, MethodRun]]:
    """The truth of the test images, and what each method's row says of them."""
    result = Evaluator(
        data=OwnData(
            source=str(place / "data"),
            pool=place / "pool",
            captions=place / "captions.jsonl",
            tree=place / "tree.csv",
        ),
        options=EvalOptions(
            methods=tuple(method.key for method in USABLE), shots=SHOTS, seeds=1, resamples=100
        ),
        noun="bird",
        clip=Whole(WORLD),
        llm=FakeModel(WORLD),
        vlm=ScriptedModel(picks_by_length),
        home=place / "home",
        out=place / "measured",
    ).run()
    assert result.run is not None
    folder = RunFolder(Path(result.run) / RUNS / "test")
    runs = {method.key: folder.read(f"{method.key}-0.json", MethodRun) for method in USABLE}
    return folder.read(TRUTH, TestRecord), runs


def classifier(place: Path, key: str, **more: Any) -> Classifier:
    """A classifier by this method, with what it needs."""
    needs = options_for(key.partition("+")[0]) or ()
    beside: dict[str, Any] = {
        "labels": place / "data" / "train",
        "pool": place / "pool",
        "captions": place / "captions.jsonl",
        "tree": place / "tree.csv",
        "llm": FakeModel(WORLD),
        "vlm": ScriptedModel(picks_by_length),
    }
    return Classifier(
        method=key,
        clip=Whole(WORLD),
        noun="bird",
        home=place / "home",
        out=place / "runs",
        **{
            "classes": sorted(WORLD.names),
            **{name: beside[name] for name in needs if name in beside},
            **more,
        },
    )


@pytest.mark.parametrize("key", [method.key for method in USABLE])
def test_a_folder_gets_the_labels_of_the_table(
    key: str, place: Path, measured: tuple[TestRecord, dict[str, MethodRun]]
) -> None:
    truth, runs = measured
    run = runs[key]
    assert run.outcome == "done", run.reason
    found = classifier(place, key).resolve(place / "data" / "test")
    assert truth.classes == tuple(sorted(WORLD.names))
    assert [p.label for p in found.predictions] == [truth.classes[place] for place in run.predicted]
    shares = [p.confidence for p in found.predictions]
    assert shares == pytest.approx(list(run.confidence), abs=2e-5)
    assert {p.decided_by for p in found.predictions} == {"method"}
    assert found.method == key
    assert found.manifest.stop_reason == "labelled"
    if run.candidates:
        assert [p.candidates_left for p in found.predictions] == [len(left) for left in run.candidates]
    rows = list(csv.DictReader((found.run / "predictions.csv").open(encoding="utf-8")))
    assert [row["label"] for row in rows] == [p.label for p in found.predictions]
    kept = RunFolder(found.run).read(ClassProbabilities.FILE, ClassProbabilities)
    assert kept.classes == truth.classes


ADDITIVE = ("clip", "clip-80", "dclip", "cupl", "mpvr", "everything", "tip-adapter", "sus-x", "caps-adapter")


@pytest.mark.parametrize("key", ADDITIVE)
def test_reasons_sum_to_the_margin(key: str, place: Path) -> None:
    found = classifier(place, key).resolve(place / "data" / "test")
    for p in found.predictions:
        assert p.contributions
        assert p.margin == pytest.approx(sum(each.contribution for each in p.contributions), abs=1e-5)
    first = found.predictions[0]
    assert f"{first.label} rather than {first.runner_up}" in found.why(0)
    if key == "dclip":
        told = [each for each in first.contributions if each.label_value]
        assert any(first.label in str(each.label_value) for each in told)
        assert repr(told[0].label_value) in found.why(0)


@pytest.mark.parametrize("key", FED)
def test_a_book_stands_for_the_names(key: str, place: Path) -> None:
    names = sorted(WORLD.names)
    prompts = tuple(
        Prompt(
            class_name=name,
            text=" and ".join(WORLD.value(name, part) for part in PARTS),
            origin=Origin(kind="descriptor"),
        )
        for name in names
    )
    book = PromptBook(classes=tuple(names), prompts=prompts)
    truth = [path.parent.name for path in sorted((place / "data" / "test").glob("*/*.png"))]
    by_book = classifier(place, key, book=book).resolve(place / "data" / "test")
    by_name = classifier(place, key).resolve(place / "data" / "test")
    right = [sum(p.label == name for p, name in zip(each, truth, strict=True)) for each in (by_book, by_name)]
    assert right[0] == len(truth)
    assert right[0] > right[1] or key in ("tip-adapter", "unem")  # which have labels, too
    path = place / f"{key}.json"
    book.save(path)
    assert [p.label for p in classifier(place, f"{key}+{path}").resolve(place / "data" / "test")] == truth


def test_what_people_said_of_images_in_the_folder_stands(place: Path) -> None:
    images = sorted((place / "data" / "test").glob("*/*.png"))
    labels = {str(path): path.parent.name for path in images[::2]} | {str(images[0]): None}
    found = classifier(place, "tip-adapter", labels=labels).resolve(place / "data" / "test")
    assert (found[0].status, found[0].decision, found[0].decided_by) == ("rejected", None, "label")
    assert [p.decided_by for p in found.predictions] == [
        "label" if at % 2 == 0 else "method" for at in range(len(images))
    ]
    assert [p.label for p in found.predictions][2::2] == [path.parent.name for path in images[2::2]]
    assert found.manifest.counts["rejected"] == 1


def test_shots_and_seed_decide_what_is_learned_and_drawn(place: Path) -> None:
    one = classifier(place, "tip-adapter", shots=1).resolve(place / "data" / "test")
    assert one.manifest.counts["examples"] == len(WORLD.names)
    shares = [
        [p.confidence for p in classifier(place, "waffle", seed=seed).resolve(place / "data" / "test")]
        for seed in (0, 0, 1)
    ]
    assert shares[0] == shares[1] != shares[2]


def test_a_method_of_ones_own_labels_too(place: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text(
        "from fieldmark import EvalMethod, MethodNeed, MethodScores\n"
        "async def run(bench):\n"
        "    return MethodScores(scores=bench.vectors @ bench.encode(list(bench.classes)).T)\n"
        "def method(key, need):\n"
        "    return EvalMethod(key=key, title=key, source='me', needs=frozenset({need}), run=run)\n"
        "METHOD, OTHER = method('mine', MethodNeed.NAMES), method('other', MethodNeed.LABELS)\n"
    )
    found = classifier(place, f"{own}:METHOD").resolve(place / "data" / "test")
    assert len(found) == IMAGES * len(WORLD.names)
    with pytest.raises(InputError, match="The method other needs labelled images"):
        classifier(place, f"{own}:OTHER").resolve(place / "data" / "test")


def test_nothing_is_known_beforehand_of_what_a_method_asks(place: Path) -> None:
    estimate = classifier(place, "clip").estimate(place / "data" / "test")
    assert (estimate.model, estimate.images) == (None, IMAGES * len(WORLD.names))
    with pytest.raises(InputError, match="not known beforehand"):
        classifier(place, "dclip").estimate(place / "data" / "test")
