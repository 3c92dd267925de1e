"""Concepts are listed, renamed and deleted; nothing of another one is touched."""

from pathlib import Path

import pytest

from fieldmark.app.concepts import catalogue
from fieldmark.app.concepts.catalogue import delete_concept, list_concepts, rename_concept
from fieldmark.app.concepts.named import open_folder
from fieldmark.app.concepts.shelf import ConceptShelf
from fieldmark.errors import InputError, RunError
from fieldmark.records import Clause, Concept, Decision, Definition, Label
from fieldmark.tools.concepts.changes import with_decision, with_labels, with_version
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.images.files import ImageFile


def make(home: Path, name: str) -> ConceptFolder:
    folder = ConceptFolder(home / "concepts" / slug_of(name))
    definition = Definition(clauses=(Clause(id="c1", role="necessary", text="Red."),))
    concept = with_version(Concept(name=name, blind={"b": 1.0, "c": 1.0}), definition, why="drafted", at="1")
    concept = with_labels(
        concept,
        [
            Label(image="a", value="in", split="dev", at="2026-01-02T03:04:05"),
            Label(image="b", value="in", split="blind", at="3"),
        ],
    )
    folder.save(with_decision(concept, Decision(kind="scope", question="?", answer="no", at="2")))
    given = folder.path / "pictures"
    given.mkdir()
    (given / "a.png").write_bytes(b"a")
    folder.save_pool([ImageFile(given / "a.png", "a"), ImageFile(home / "elsewhere" / "b.png", "b")])
    return folder


def test_a_shelf_has_the_pool_by_hash_and_sees_that_it_changed(tmp_path: Path) -> None:
    folder, shelf = make(tmp_path, "zebra"), ConceptShelf(tmp_path)
    pool = shelf.pool(folder)
    assert dict(pool) == {image.content_hash: image for image in folder.load_pool()}
    assert (len(pool), pool.get("no such")) == (2, None)
    assert shelf.pool(folder) is pool
    assert shelf.summary(folder).images == 2
    folder.save_pool([ImageFile(tmp_path / "b.png", "b")])
    assert list(shelf.pool(folder)) == ["b"]
    assert shelf.summary(folder).images == 1


def test_concepts_are_listed_with_what_they_hold_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    make(tmp_path, "zebra")
    broken = make(tmp_path, "Ant")
    (broken.path / "concept.json").write_text("{")
    ant, zebra = list_concepts(home=tmp_path)
    assert "not well formed" in ant.damage
    assert (zebra.name, zebra.images, zebra.labels, zebra.blind, zebra.blind_labels) == ("zebra", 2, 1, 2, 1)
    assert zebra.holds == (
        "1 label",
        "1 blind label",
        "1 decision",
        "1 version",
        "1 picture that lies nowhere else",
    )
    assert list_concepts(home=tmp_path / "new") == ()


def test_a_renamed_concept_keeps_everything_under_its_new_name(tmp_path: Path) -> None:
    before = make(tmp_path, "zebra").load()
    renamed, stale = rename_concept("Zebra", " Striped horse ", home=tmp_path)
    folder = open_folder("striped horse", home=tmp_path)
    after = folder.load()
    assert (renamed.name, after.name) == ("Striped horse", "Striped horse")
    assert (after.labels, after.versions, after.blind) == (before.labels, before.versions, before.blind)
    assert after.decisions[-1].answer == "zebra → Striped horse"
    own, other = (image.path for image in folder.load_pool())
    assert own.read_bytes() == b"a", "pictures that were given in memory moved along"
    assert other == tmp_path / "elsewhere" / "b.png"
    assert any("blind test was drawn by the old name" in told for told in stale)
    assert not (tmp_path / "concepts" / "zebra").exists()
    with pytest.raises(InputError, match="no concept 'zebra'"):
        open_folder("zebra", home=tmp_path)


def test_only_another_case_is_a_new_name_as_well(tmp_path: Path) -> None:
    make(tmp_path, "zebra")
    renamed, _ = rename_concept("zebra", "Zebra", home=tmp_path)
    assert (renamed.name, len(list_concepts(home=tmp_path))) == ("Zebra", 1)


def test_a_name_that_is_taken_or_blank_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "zebra")
    make(tmp_path, "ant")
    with pytest.raises(InputError, match="already"):
        rename_concept("zebra", "ANT", home=tmp_path)
    with pytest.raises(InputError, match="needs a name"):
        rename_concept("zebra", "  ", home=tmp_path)
    with pytest.raises(RunError, match="Another process"), open_folder("ant", home=tmp_path).writing():
        rename_concept("ant", "bee", home=tmp_path)
    assert [each.name for each in list_concepts(home=tmp_path)] == ["ant", "zebra"]


def test_a_kill_amid_a_renaming_leaves_a_concept_that_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "zebra")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(catalogue.ConceptFolder, "save_pool", dies)
        with pytest.raises(KeyboardInterrupt):
            rename_concept("zebra", "horse", home=tmp_path)
    assert open_folder("zebra", home=tmp_path).path.name == "horse"
    rename_concept("zebra", "horse", home=tmp_path)
    assert open_folder("horse", home=tmp_path).load().name == "horse"
    assert open_folder("horse", home=tmp_path).load_pool()[0].path.read_bytes() == b"a"


def test_a_deleted_concept_is_gone_and_its_pool_is_not(tmp_path: Path) -> None:
    make(tmp_path, "zebra")
    make(tmp_path, "ant")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.png").write_bytes(b"b")
    assert delete_concept("zebra", home=tmp_path).labels == 1
    assert [each.name for each in list_concepts(home=tmp_path)] == ["ant"]
    assert [path.name for path in (tmp_path / "concepts").iterdir()] == ["ant"]
    assert (tmp_path / "elsewhere" / "b.png").read_bytes() == b"b"
    with pytest.raises(RunError, match="Another process"), open_folder("ant", home=tmp_path).writing():
        delete_concept("ant", home=tmp_path)
