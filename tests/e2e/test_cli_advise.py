"""`fieldmark advise` as a person would run it, on drawn birds."""

from pathlib import Path

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.world.dataset import read_truth
from tests.command_line import CommandLine, guide_script
from tests.e2e.classifying import MODEL, at, draw_birds
from tests.faulty_endpoint import FaultyEndpoint


def test_a_set_gets_advice_and_the_command_that_follows(command_line: CommandLine, tmp_path_factory) -> None:
    birds = draw_birds(tmp_path_factory, species=4, images=4)
    with FaultyEndpoint([guide_script(Guide(read_truth(birds)[0]))], models=[{"id": MODEL}]) as endpoint:
        place = at(endpoint, command_line)
        foretold = place.invoke("advise", birds, "--noun", "bird", "--dry-run", "--json")
        assert foretold.code == 0, foretold.err
        assert foretold.json["first_look"]["to_ask"] == 4
        stopped = place.invoke("advise", birds, "--noun", "bird", "--max-calls", 2)
        assert stopped.code == 3
        assert "Go on with a higher limit: fieldmark advise --resume" in stopped.err
        (run,) = (place.folder / "runs").iterdir()
        done = place.invoke("advise", "--resume", run.name, "--max-calls", 40, "--json")
    assert done.code == 0, done.err
    assert done.json["schema"] == "fieldmark.advice/1"
    assert [(way["means"], way["shots"]) for way in done.json["ways"]] == [
        ("names", 0), ("answers", 0), ("labels", 1),
    ]  # fmt: skip
    assert done.json["images"] == 4 * 3
    assert "Measured on 12 images of 4 classes" in done.err
    assert "Advised: " in done.err and "Next: fieldmark classify" in done.err
    assert {"advice.json", "advice.svg", "report.html"} <= {each.name for each in run.iterdir()}
    table = place.invoke("eval", "--data", birds, "--methods", "clip", "--shots", 0, "--json")
    refused = place.invoke("advise", "--resume", Path(table.json["run"]).name)
    assert refused.code == 2 and "is no advice" in refused.err


def test_what_is_missing_is_said(command_line: CommandLine) -> None:
    nothing = command_line.invoke("advise")
    assert nothing.code == 2 and "No data were given" in nothing.err
    lost = command_line.invoke("advise", "nowhere", "--clip", "aviary")
    assert lost.code == 2 and "nowhere" in lost.err
