"""What is advised for a labelled set, from measurements on a made-up world."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldmark import EvalOptions, Evaluator
from fieldmark.app.advice.advice import Advice
from fieldmark.app.advice.adviser import ADVICE, Adviser
from fieldmark.app.advice.conclude import FEW, SILENT
from fieldmark.errors import InputError, RunError
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.world import FakeEncoder, FakeModel, World

WORLD = World(names=("finch", "heron", "gull", "owl", "crane"))


def drawn(folder: Path, images: int) -> Path:
    """A folder with one folder a class, by whose file names the encoder knows what is shown."""
    for number, name in enumerate(WORLD.names):
        (folder / name).mkdir(parents=True)
        for copy in range(images):
            shown = np.full((4, 4, 3), (number * 40, copy * 9, 7), dtype=np.uint8)
            Image.fromarray(shown).save(folder / name / f"{number}-{copy}.png")
    return folder


def adviser(tmp_path: Path, images: int, **more: Any) -> Adviser:
    given: dict[str, Any] = {
        "data": drawn(tmp_path / "photos", images),
        "noun": "bird",
        "clip": FakeEncoder(WORLD),
        "llm": FakeModel(WORLD),
        "home": tmp_path / "home",
        "out": tmp_path / "runs",
    }
    return Adviser(**(given | more))


def test_every_way_is_measured_on_the_same_images(tmp_path: Path) -> None:
    advice = adviser(tmp_path, 10).advise()
    assert [(way.means, way.shots) for way in advice.ways] == [
        ("names", 0), ("answers", 0), ("labels", 1), ("labels", 4),
    ]  # fmt: skip
    assert (advice.images, advice.classes) == (5 * 6, 5)  # four of ten images are labels at the most
    assert advice.chosen in advice.ways
    assert [way.questions > 0 for way in advice.ways] == [False, True, False, False]
    assert {each.class_name for each in advice.names} == set(WORLD.names)
    assert sum(each.images for each in advice.names) == advice.images
    assert RunFolder(Path(advice.run)).read(ADVICE, Advice) == advice
    silent = FakeModel(WORLD)
    again = Adviser.from_run(advice.run, clip=FakeEncoder(WORLD), llm=silent, home=tmp_path / "home").advise()
    assert (again, silent.asked) == (advice, [])  # what was measured is taken


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    advice = adviser(tmp_path, 2, llm=None).advise()
    assert [way.means for way in advice.ways] == ["names"]
    assert (advice.chosen, advice.attributes) == (advice.ways[0], ())
    assert {FEW, SILENT} <= set(advice.notes)


def test_a_dry_run_counts_each_question_once(tmp_path: Path) -> None:
    advising = adviser(tmp_path, 10)
    loop = Evaluator(
        data=advising.data,
        options=EvalOptions(methods=("resolve",), shots=4),
        noun="bird",
        clip=FakeEncoder(WORLD),
        llm=FakeModel(WORLD),
        home=tmp_path / "home",
    ).estimate()
    assert advising.estimate().first_look == loop.first_look
    assert loop.first_look.questions > 0


def test_other_data_and_other_runs_are_refused(tmp_path: Path) -> None:
    from fieldmark.evals.table.sources.aviary_source import Aviary

    with pytest.raises(InputError, match="one's own images"):
        Adviser(data=Aviary())
    table = Evaluator(
        data=drawn(tmp_path / "photos", 3),
        options=EvalOptions(methods=("clip",), shots=0, seeds=1, resamples=100),
        noun="bird",
        clip=FakeEncoder(WORLD),
        home=tmp_path / "home",
        out=tmp_path / "runs",
    ).run()
    with pytest.raises(RunError, match="no advice"):
        Adviser.from_run(table.run)
