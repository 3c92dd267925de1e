"""`fieldmark instructions` as a person would run it, on drawn birds."""

from dataclasses import replace
from pathlib import Path

from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.guide.sight import Sight
from fieldmark.aviary.world.dataset import read_truth
from tests.command_line import CommandLine
from tests.e2e.classifying import draw_birds


def test_a_set_gets_instructions_that_a_stranger_can_label_by(
    command_line: CommandLine, tmp_path_factory
) -> None:
    birds = draw_birds(tmp_path_factory, species=4, images=4)
    guide = Guide(read_truth(birds)[0], sight=Sight(Gallery.of_folders([birds])))
    with GuideServer(guide) as server:
        models = {
            "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "none",
            "FIELDMARK_LLM": server.model, "FIELDMARK_CLIP": "aviary",
        }  # fmt: skip
        place = replace(command_line, more=models)
        foretold = place.invoke("instructions", birds, "--noun", "bird", "--score", "--dry-run", "--json")
        assert foretold.code == 0, foretold.err
        assert foretold.json["follow_up_most"] >= 4  # a question a class, and those about look-alikes
        assert foretold.json["most_vlm_images"] == 3 * 4 * 2  # three readers; two images of four are held out
        stopped = place.invoke("instructions", birds, "--noun", "bird", "--score", "--max-calls", 12)
        assert stopped.code == 3, stopped.err
        assert "Go on with a higher limit: fieldmark instructions --resume" in stopped.err
        (run,) = (place.folder / "runs").iterdir()
        done = place.invoke("instructions", "--resume", run.name, "--max-calls", 90, "--json")
    assert done.code == 0, done.err
    assert done.json["schema"] == "fieldmark.instructions-written/1"
    assert (done.json["classes"], done.json["labels"], done.json["scored"]) == (4, 8, 8)
    right = {each["shown"]: each["right"] for each in done.json["readers"]}
    assert right["instructions"] > right["shuffled"]
    text = (run / "instructions.md").read_text(encoding="utf-8")
    pictures = sorted(path.name for path in (run / "pictures").iterdir())
    assert pictures and all(f"](pictures/{name})" in text for name in pictures)
    page = (run / "instructions.html").read_text(encoding="utf-8")
    names = [path.name for path in birds.iterdir() if path.is_dir()]
    assert all(f"## {name}" in text and name in page for name in names)
    assert page.count("data:image/webp") == len(pictures)
    table = place.invoke("eval", "--data", birds, "--methods", "clip", "--shots", 0, "--json")
    refused = place.invoke("instructions", "--resume", Path(table.json["run"]).name)
    assert refused.code == 2 and "wrote no instructions" in refused.err


def test_what_is_missing_is_said(command_line: CommandLine) -> None:
    nothing = command_line.invoke("instructions")
    assert nothing.code == 2 and "No data were given" in nothing.err
    lost = command_line.invoke("instructions", "nowhere", "--clip", "aviary")
    assert lost.code == 2 and "nowhere" in lost.err
