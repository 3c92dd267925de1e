"""Whatever is opened for reading is a regular file, is opened without waiting, and has an end."""

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import fieldmark
from fieldmark.agents.shared.checkpoints import open_checkpoint
from fieldmark.app.concepts.answers_file import read_answers
from fieldmark.app.evaluate.inputs import read_captions, read_tree
from fieldmark.app.inputs import read_class_names
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import open_byte_store
from fieldmark.cache.rowfile import row_file
from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.errors import FieldmarkError
from fieldmark.reading import NotRegularError, check_regular, open_regular, read_bytes, read_lines, read_text
from fieldmark.records import PromptBook, RunConfig
from fieldmark.tools.books.files import read_book
from fieldmark.tools.clip.model_source import read_config as read_model_config
from fieldmark.tools.clip.weights import read_reference
from fieldmark.tools.concepts.heads.config import CONFIG, read_config
from fieldmark.tools.datasets.domain import read_domain
from fieldmark.tools.datasets.labelled import read_labelled
from fieldmark.tools.runs.folder import RunFolder

PACKAGE = Path(fieldmark.__file__).parent
DEVICE = Path("/dev/zero")

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes in folders")


@pytest.fixture(params=["pipe", "device"])
def never_ending(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    """Puts something at a path that holds up or feeds its reader for ever."""

    def put(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(DEVICE)
        return path

    return put


def test_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one\r\ntwo\n\nthree")
    assert read_bytes(file) == b"one\r\ntwo\n\nthree"
    assert read_text(file) == "one\r\ntwo\n\nthree"
    assert list(read_lines(file)) == [b"one\r", b"two", b"", b"three"]
    with open_regular(file) as opened:
        assert opened.readline() == b"one\r\n"
    check_regular(file)


def test_what_is_larger_than_the_bound_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12345")
    assert read_bytes(file, most=5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_bytes(file, most=4)
    with pytest.raises(OSError, match="longer than 4 bytes"):
        list(read_lines(file, longest=4))
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than 256 MiB"):
        read_bytes(file)


def test_folders_and_what_is_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")
    with pytest.raises(OSError, match="null"):
        read_bytes(f"{tmp_path}/a\0b")


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path, never_ending: Callable[[Path], Path]) -> None:
    path = never_ending(tmp_path / "a")
    for read in (open_regular, check_regular, read_bytes, read_text, lambda path: list(read_lines(path))):
        with pytest.raises(NotRegularError, match="not a regular file"):
            read(path)


READERS: dict[str, Callable[[Path], object]] = {
    "book.json": read_book,
    "other-book.json": PromptBook.load,
    "list.csv": lambda path: read_labelled(path, shots=1, seed=0),
    "list.jsonl": lambda path: read_labelled(path, shots=1, seed=0),
    "classes.txt": lambda path: read_class_names(str(path)),
    "tree.json": lambda path: read_tree(path, ("a", "b")),
    "captions.jsonl": lambda path: read_captions(path, path.parent, ()),
    "answers.jsonl": lambda path: read_answers(path, {}),
    "domain.json": read_domain,
    "config.json": lambda path: RunFolder(path.parent).read("config.json", RunConfig),
    "predictions.jsonl": lambda path: list(RunFolder(path.parent).read_predictions()),
    "events.jsonl": lambda path: check_regular(path),
    CONFIG: lambda path: read_config(path.parent),
    "open_clip_config.json": read_model_config,
    "model.safetensors": lambda path: read_reference(path, width=4),
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_is_held_up(name: str, tmp_path: Path, never_ending: Callable[[Path], Path]) -> None:
    path = never_ending(tmp_path / "folder" / name)
    with pytest.raises((FieldmarkError, OSError)):
        READERS[name](path)


def test_no_store_is_held_up(tmp_path: Path, never_ending: Callable[[Path], Path]) -> None:
    with pytest.raises(NotRegularError), row_file(never_ending(tmp_path / "rows"), write=False):
        pass
    with pytest.raises(NotRegularError), row_file(never_ending(tmp_path / "rows"), write=True):
        pass
    never_ending(tmp_path / "bytes" / "cache.db")
    with pytest.raises(FieldmarkError):
        open_byte_store(tmp_path / "bytes")
    store = ArrayStore(tmp_path / "arrays")
    never_ending(store.folder / f"{'0' * 64}.json")
    with pytest.raises(FieldmarkError):
        store.get_json("0" * 64)
    never_ending(tmp_path / "vectors" / "index.sqlite")
    with pytest.raises(FieldmarkError):
        open_vector_store(tmp_path / "vectors", width=4)


async def test_no_checkpoint_is_held_up(tmp_path: Path, never_ending: Callable[[Path], Path]) -> None:
    with pytest.raises((FieldmarkError, OSError)):
        async with open_checkpoint(never_ending(tmp_path / "c.sqlite"), holds=()):
            pass


def test_everything_is_read_through_these_functions() -> None:
    """Resources of the package itself and files opened for writing are no exception worth a word."""
    found: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        if path.name == "reading.py" and path.parent == PACKAGE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            given = [each.value for each in node.args if isinstance(each, ast.Constant)]
            whole = name in ("read_bytes", "read_text") and of and not of.lstrip("(").startswith("files(")
            opened = name == "open" and any(mode in given for mode in ("r", "rb", "rt"))
            plain = isinstance(node.func, ast.Name) and name == "open"
            if whole or opened or plain:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}")
    assert not found
