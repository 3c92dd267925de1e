"""The blind test a few pictures at a time: what was chosen is noted, what was left open comes again."""

import re
from pathlib import Path

from fieldmark.tools.concepts.changes import blind_labels
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.unit.studio.studio_concepts import made_concept
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, visitor


def to_label(place: Path, *, count: int, blind: int) -> ConceptFolder:
    """A concept whose blind test has no labels yet."""
    folder = made_concept(place, count=count)
    concept = folder.load()
    images = [image.content_hash for image in folder.load_pool()][-blind:]
    dev = tuple(label for label in concept.labels if label.split == "dev" and label.image not in images)
    folder.save(concept.model_copy(update={"labels": dev, "blind": dict.fromkeys(images, 1.0)}))
    return folder


def test_what_was_chosen_is_noted_and_the_rest_comes_again(tmp_path: Path) -> None:
    folder = to_label(tmp_path, count=20, blind=14)
    client = visitor(desk_for(tmp_path))
    here = f"/concepts/{folder.run_id}/blind"
    assert "12 at a time" in client.get(here).text
    page = client.get(here, params={"view": "grid"}).text
    shown = re.findall(r'type="radio" name="([0-9a-f]{64})" value="in"', page)
    assert len(shown) == 12
    assert "checked" not in page
    sent = {"form_token": form_token(page), shown[0]: "in", shown[5]: "unsure", shown[7]: "no label"}
    for _ in range(2):
        after = client.post(f"{here}/grid", data=sent, headers=FORM)
    assert {image: label.value for image, label in blind_labels(folder.load()).items()} == {
        shown[0]: "in",
        shown[5]: "unsure",
    }
    assert len([each for each in folder.load().labels if each.split == "blind"]) == 2
    assert "2 of 14" in after.text
    assert shown[1] in after.text
    assert f'name="{shown[0]}"' not in after.text
    assert "Look at the last one again" in after.text
    nothing = client.post(f"{here}/grid", data={"form_token": form_token(page)}, headers=FORM)
    assert "Nothing was chosen." in nothing.text


def test_no_other_picture_is_labelled(tmp_path: Path) -> None:
    folder = to_label(tmp_path, count=8, blind=3)
    client = visitor(desk_for(tmp_path))
    here = f"/concepts/{folder.run_id}/blind"
    page = client.get(here, params={"view": "grid"}).text
    blind, dev = next(iter(folder.load().blind)), folder.load().labels[0].image
    before = folder.load()
    sent = {"form_token": form_token(page), blind: "in", dev: "in"}
    assert client.post(f"{here}/grid", data=sent, headers=FORM).status_code == 409
    assert client.post(f"{here}/grid", data={blind: "in"}, headers=FORM).status_code == 403
    assert folder.load() == before
