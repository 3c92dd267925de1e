"""Names for images that nobody listed classes for, and for the rejected groups of a run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldmark import Classifier, ResolveOptions, UsageLimits
from fieldmark.app.discover.discoverer import Discoverer
from fieldmark.app.discover.writing import NAMES, TABLE, write_discovery_page
from fieldmark.app.inputs import read_class_names
from fieldmark.errors import InputError, QuestionFailed, RunError
from fieldmark.records import CommonMark, RejectedGroup, RejectedGroups
from fieldmark.records.discovery import Discovery
from fieldmark.testing import HashingEncoder, ScriptedModel
from fieldmark.tools.runs.folder import RunFolder

NAMED = ("grey heron", "red finch", "blue gull")
CAPTIONS = "\n".join(f"a photo of a {name} {at}" for name in NAMED for at in ("on a lake", "in a tree"))


def drawn(folder: Path, names: Sequence[str] = NAMED, each: int = 8) -> Path:
    """Images by whose file names the encoder knows what is shown."""
    folder.mkdir()
    for number, name in enumerate(names):
        for copy in range(each):
            pixels = np.full((4, 4, 3), (number * 40, copy * 9, 7), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{name.replace(' ', '_')}_{copy}.png")
    return folder


def discoverer(tmp_path: Path, **more: Any) -> Discoverer:
    if not (photos := tmp_path / "photos").exists():
        drawn(photos)
    given: dict[str, Any] = {
        "images": photos,
        "groups": 3,
        "clip": HashingEncoder(width=128, noise=0.5),
        "home": tmp_path / "home",
        "out": tmp_path / "runs",
    }
    return Discoverer(**(given | more))


def test_captions_name_groups_and_the_names_are_a_list_of_classes(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    said.write_text(CAPTIONS)
    found = discoverer(tmp_path, captions=said).discover()
    assert sorted(found.names) == sorted(NAMED)
    for group in found.groups:
        assert all(group.name.replace(" ", "_") in image for image in group.images)
        assert (group.sure, group.by, len(group.images)) == (True, "captions", 8)
    run = RunFolder(Path(found.run))
    assert run.read(Discovery.FILE, Discovery) == found
    assert sorted(read_class_names(str(run.path / NAMES))) == sorted(NAMED)
    assert found.classifies
    rows = (run.path / TABLE).read_text().splitlines()
    assert len(rows) == 1 + 24
    assert rows[0].startswith("image,group,name,sure,sureness,similarity")
    page = write_discovery_page(found).read_text()
    assert all(name in page for name in NAMED)
    as_rows = tmp_path / "said.jsonl"
    as_rows.write_text("\n".join(json.dumps({"caption": each}) for each in CAPTIONS.splitlines()))
    assert discoverer(tmp_path, captions=as_rows).discover().names == found.names


def test_fewer_groups_than_asked_for_are_said(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    said.write_text(CAPTIONS)
    found = discoverer(tmp_path, captions=said, groups=100).discover()
    assert len(found.groups) <= 24
    assert f"There are {len(found.groups)} groups, not 100" in found.notes[0]
    assert discoverer(tmp_path, captions=said).discover().notes == ()


def seen(names: dict[str, list[str]]) -> Any:
    """Answers by what the nearest caption holds."""

    def answer(question: Any) -> dict[str, Any]:
        text = question.messages[-1].content
        data = json.loads(text.split("<data>\n")[1].split("\n</data>")[0])
        nearest = (*data["captions"], *data["marks"])[0]
        own = next(kind for kind in names if kind in nearest)
        return {"group_names": names[own]}

    return answer


def test_a_language_model_goes_by_captions_and_the_encoder_has_the_last_word(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    said.write_text(CAPTIONS)
    answers = {"heron": ["grey heron"], "finch": ["purple lorry"], "gull": ["blue gull", "gull"]}
    model = ScriptedModel({"name_group": seen(answers)})
    made = discoverer(tmp_path, captions=said, llm=model)
    estimate = made.estimate()
    assert (estimate.first_look.questions, estimate.images, model.asked) == (3, 24, [])
    by_name = {group.name: group for group in made.discover().groups}
    assert {name: (each.by, each.sure) for name, each in by_name.items()} == {
        "grey heron": ("language model", True),
        "blue gull": ("language model", True),
        "red finch": ("captions", True),
    }


def test_a_vision_language_model_is_shown_some_images_of_each_group(tmp_path: Path) -> None:
    shown: list[int] = []

    def answer(question: Any) -> dict[str, Any]:
        shown.append(len(question.messages[-1].images))
        return {"photo_captions": ["a photo of a red finch"], "group_names": ["red finch"]}

    found = discoverer(tmp_path, vlm=ScriptedModel({"name_group_seen": answer})).discover()
    assert shown == [5, 5, 5]
    right = next(group for group in found.groups if group.name == "red finch")
    assert (right.by, right.sure) == ("vision-language model", True)
    assert all("red_finch" in image for image in right.images)
    assert right.captions == ("a photo of a red finch",)
    assert all(not group.sure for group in found.groups if group is not right)


def test_a_limit_keeps_what_was_answered(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    said.write_text(CAPTIONS)
    model = ScriptedModel({"name_group": {"group_names": ["grey heron"]}})
    made = discoverer(tmp_path, captions=said, llm=model, limits=UsageLimits(max_calls=1))
    found = made.discover()
    assert (found.stop_reason, len(model.asked)) == ("budget", 1)
    assert sorted(found.names) == sorted(NAMED)  # captions name the others
    assert found.notes


def test_of_questions_that_fail_the_first_says_why(tmp_path: Path) -> None:
    failure = QuestionFailed("It said nothing.", reason="not_json")
    found = discoverer(tmp_path, vlm=ScriptedModel({"name_group_seen": failure})).discover()
    assert "A question had no usable answer: It said nothing." in found.notes
    assert found.names == ()
    assert found.stop_reason == "done"
    assert not found.classifies


def test_rejected_groups_of_a_run_get_names_that_are_not_listed(tmp_path: Path) -> None:
    encoder = HashingEncoder(width=128, noise=0.5)
    run = Classifier(
        classes=["grey heron", "blue gull"],
        clip=encoder,
        noun="bird",
        home=tmp_path / "home",
        out=tmp_path / "runs",
        options=ResolveOptions(start="names", max_rounds=0),
    ).resolve(drawn(tmp_path / "photos"))
    finches = [each for each in run.predictions if "red_finch" in each.image]
    group = RejectedGroup(
        images=tuple(each.image for each in finches),
        image_hashes=tuple(each.image_hash for each in finches),
        marks=(CommonMark(attribute="cap", value="a red cap", share=1.0, usual=0.3),),
    )
    RunFolder(run.run).write(RejectedGroups.FILE, RejectedGroups(groups=(group,)))
    model = ScriptedModel({"name_group": seen({"red cap": ["blue gull", "red finch"]})})
    found = discoverer(tmp_path, images=None, groups=None, run=run.run, clip=encoder, llm=model).discover()
    (named,) = found.groups
    assert (named.name, named.sure, named.marks) == ("red finch", True, ("a red cap",))
    assert found.classes == ("grey heron", "blue gull", "red finch")
    assert read_class_names(str(Path(found.run) / NAMES)) == list(found.classes)
    assert '"listed": ["grey heron", "blue gull"]' in model.asked[0].messages[-1].content
    for gone in ("red_finch_0.png", "blue_gull_0.png"):
        (tmp_path / "photos" / gone).write_bytes(b"damaged since")
    less = discoverer(
        tmp_path, images=None, groups=None, run=run.run, llm=model, clip=HashingEncoder(width=128, noise=0.5)
    ).discover()
    assert (less.images, len(less.groups[0].images)) == (found.images - 2, 7)
    skipped = json.loads((Path(less.run) / "manifest.json").read_text())["skipped"]
    assert sorted(Path(each["path"]).name for each in skipped) == ["blue_gull_0.png", "red_finch_0.png"]
    RunFolder(run.run).write(RejectedGroups.FILE, RejectedGroups())
    with pytest.raises(RunError, match="no rejected images"):
        discoverer(tmp_path, images=None, groups=None, run=run.run, clip=encoder).discover()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"captions": None}, "captions"),
        ({"groups": 1, "vlm": "m"}, "groups"),
        ({"run": "latest", "vlm": "m"}, "images"),
        ({"images": None}, "images"),
        ({"captions": Path("missing.txt")}, "captions"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as told:
        discoverer(tmp_path, **more).discover()
    assert told.value.field == field
    assert told.value.hint or field == "images"


@pytest.mark.parametrize("line", ['{"caption": null}', '{"caption": ["a wren"]}', '{"caption": "a\\u0000b"}'])
def test_what_is_no_caption_is_refused(line: str, tmp_path: Path) -> None:
    said = tmp_path / "said.JSONL"
    said.write_text(line)
    with pytest.raises(InputError, match="a caption is no text"):
        discoverer(tmp_path, captions=said).discover()
