import subprocess
import sys
from pathlib import Path

import pytest

from fieldmark.errors import InputError, RunError
from fieldmark.records import Concept
from fieldmark.tools.concepts.folder import ConceptFolder, concept_folders, slug_of
from fieldmark.tools.images.files import ImageFile


def test_a_record_comes_back_as_it_was(tmp_path):
    folder = ConceptFolder(tmp_path / "c")
    assert not folder.exists
    concept = Concept(name='a "bird" {x} 🐦', purpose="p\nq")
    folder.save(concept)
    assert folder.load() == concept
    folder.save_pool([ImageFile(tmp_path / "a.png", "0" * 64)])
    assert folder.load_pool() == (ImageFile(tmp_path / "a.png", "0" * 64),)
    assert [found.path for found in concept_folders(tmp_path)] == [folder.path]
    assert concept_folders(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "text", ["[", "3", "{}x", '[{"path": "a.png"}]', '[{"path": 1, "hash": "0"}]', "[3]"]
)
def test_a_pool_that_is_none_is_a_sentence(tmp_path, text):
    folder = ConceptFolder(tmp_path)
    (tmp_path / "pool.json").write_text(text)
    for read in (folder.pool_rows, folder.load_pool):
        with pytest.raises(InputError, match=r"pool\.json is not well formed"):
            read()


@pytest.mark.parametrize("text", ["", "{", '{"name": 1}', '{"name": "x", "stranger": 1}', "[" * 100_000])
def test_a_record_that_is_none_is_a_sentence(tmp_path, text):
    folder = ConceptFolder(tmp_path)
    (tmp_path / "concept.json").write_text(text)
    with pytest.raises(InputError, match=r"concept\.json"):
        folder.load()


def test_nothing_there_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="concept new"):
        ConceptFolder(tmp_path).load()


def test_only_one_may_write_and_the_lock_goes_with_its_process(tmp_path):
    folder = ConceptFolder(tmp_path)
    code = (
        "import sys; from pathlib import Path; from fieldmark.tools.concepts.folder import ConceptFolder\n"
        "with ConceptFolder(Path(sys.argv[1])).writing():\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process"), folder.writing():
            pass
        other.kill()
    with folder.writing():
        pass


def test_slugs_are_plain_and_never_collide():
    assert slug_of(" Striped  birds") == slug_of("striped birds") == "striped-birds"
    names = ["striped birds", "striped-birds!", "鳥", "Ä", "a" * 80, "a" * 81, "../../etc"]
    assert len({slug_of(name) for name in names}) == len(names)
    assert all(Path(slug_of(name)).name == slug_of(name) for name in names)
    with pytest.raises(InputError):
        slug_of("  ")
    with pytest.raises(InputError, match="no well-formed text"):
        slug_of("caf\udce9")
