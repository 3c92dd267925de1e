"""Published DTD descriptions as a starting book, with image folders made up for the test."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.agents.optimize_options import OptimizeOptions
from fieldmark.app.optimizer import Optimizer
from fieldmark.records import Origin, Prompt, PromptBook

INTEROP = os.environ.get("FIELDMARK_INTEROP_DIR")


@pytest.mark.skipif(not INTEROP, reason="FIELDMARK_INTEROP_DIR names no folder")
def test_published_descriptions_run_end_to_end(tmp_path: Path) -> None:
    source = Path(str(INTEROP)) / "proapo/dtd/category_description/CuPL_base.json"
    described = json.loads(source.read_text())
    names = tuple(described)[:25]
    for c, name in enumerate(names):
        for n in range(2):
            file = tmp_path / "dtd" / name / f"{n}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((32, 32), 10 + 4 * c + n).convert("RGB").save(file)
    book = PromptBook(
        classes=names,
        noun="texture",
        prompts=tuple(
            Prompt(class_name=name, text=text, origin=Origin(kind="book"))
            for name in names
            for text in described[name][:5]
        ),
    )
    result = Optimizer(
        data=str(tmp_path / "dtd"),
        book=book,
        clip="aviary",
        options=OptimizeOptions(template_generations=0, passes=1, generations=1),
        out=tmp_path / "runs",
    ).run()
    assert result.classes == 25
    assert result.best.fitness >= result.start.fitness
    assert result.start.prompts == len({(p.class_name, p.text) for p in book.prompts})
