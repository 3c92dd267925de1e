"""An unlisted species in the pool: its images are rejected, form a group, and its marks are named."""

from pathlib import Path

import pytest

from fieldmark import Classifier
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.world.dataset import read_truth
from fieldmark.aviary.world.grammar import phrase
from tests.command_line import CommandLine, guide_script
from tests.e2e.classifying import at, draw_birds
from tests.faulty_endpoint import FaultyEndpoint

SPECIES, IMAGES = 12, 8
UNLISTED = 6
"""A heron that is like no other species: most unlisted look-alikes stay open."""


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_birds(tmp_path_factory, species=SPECIES, images=IMAGES)


def test_images_of_an_unlisted_species_form_a_group_with_its_marks(
    command_line: CommandLine, birds: Path
) -> None:
    species, *_ = read_truth(birds)
    unlisted = species[UNLISTED]
    listed = command_line.folder / "listed.txt"
    listed.write_text("\n".join(each.name for each in species if each is not unlisted), encoding="utf-8")
    with FaultyEndpoint([guide_script(Guide(species))], models=[{"id": "guide"}]) as server:
        ran = at(server, command_line).invoke("classify", birds, "--classes", listed, "--json")
        run = command_line.folder / ran.json["run"]
        naming = ("discover", "--run", run, "--json")
        told = at(server, command_line).invoke(*naming, "--dry-run")
        named = at(server, command_line).invoke(*naming)
        again = at(server, command_line).invoke(*naming)
    assert ran.code == 0, ran.err
    (group,) = ran.json["rejected_groups"]
    assert sorted(Path(image).parent.name for image in group["images"]) == [unlisted.name] * IMAGES
    marks = [mark["value"] for mark in group["marks"]]
    true = {phrase(key, value) for key, value in unlisted.marks.items()}
    assert len(marks) == 6
    assert len(true.intersection(marks)) >= 4
    assert all(mark["share"] >= 2 * mark["usual"] for mark in group["marks"])
    assert f"These {IMAGES} may be a class that is not on your list: {', '.join(marks)}." in ran.err
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Perhaps not on your list" in page
    assert f"fieldmark discover --run {run.name}" in page
    assert all(mark in page for mark in marks)
    to_label = (run / "ask.html").read_text(encoding="utf-8")
    assert len(ran.json["ask"]) == to_label.count("<img ") == 20
    assert f"Look at them in {ran.json['run']}/ask.html" in ran.err

    assert (told.code, told.json["first_look"]["to_ask"]) == (0, 1)
    assert (named.code, again.code) == (0, 0), named.err
    (alike,) = named.json["groups"]
    assert sorted(alike["images"]) == sorted(group["images"])
    assert f"{IMAGES} images look like a class you did not list: {alike['name']}" in named.err
    assert "Asked 1 question, 0 answered from the cache" in named.err
    assert "Asked 0 questions, 1 answered from the cache" in again.err
    names = (command_line.folder / named.json["run"] / "classes.txt").read_text(encoding="utf-8").split("\n")
    assert names[:-1] == [*listed.read_text(encoding="utf-8").split("\n"), alike["name"]]
    assert alike["name"] in (command_line.folder / named.json["run"] / "report.html").read_text(
        encoding="utf-8"
    )

    found = Classifier.from_run(run, asks=False, home=command_line.home).resolve().rejected_groups
    assert [each.model_dump(mode="json") for each in found] == [group]
