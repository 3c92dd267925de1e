"""The options of `classify` are those of the loop, and what cannot be is said in a sentence."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.cli.classify.check import idle, loop_options, read_classes
from fieldmark.cli.classify.command import classify, given
from fieldmark.cli.classify.run import PLAIN_TABLE, command_for
from fieldmark.cli.resuming import again, refuse_with_resume
from fieldmark.errors import ClassNamesError, InputError
from fieldmark.records import PromptBook

OF_THE_LOOP = ("start", "rule", "ask", "candidates", "k", "tau", "alpha", "risk", "ask_labels", "max_rounds")


def choices(hint: Any) -> set[Any]:
    """The values of the Literal inside a type."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    found: set[Any] = set()
    for part in get_args(hint):
        found |= choices(part)
    return found


@pytest.mark.parametrize("name", OF_THE_LOOP)
def test_choices_and_defaults_are_those_of_the_loop(name: str) -> None:
    hint = inspect.signature(classify).parameters[name].annotation
    assert get_origin(hint) is Annotated
    kind, option = get_args(hint)
    field = ResolveOptions.model_fields[name]
    assert choices(kind) == choices(field.annotation)
    assert option.show_default == str(field.default)


def test_only_what_was_given_is_passed_on() -> None:
    assert given(a=None, b=0, c=False, d="x") == {"b": 0, "c": False, "d": "x"}
    assert loop_options(given(k=3, tau=None)) == ResolveOptions(k=3)


@pytest.mark.parametrize(("name", "value"), [("tau", 0.0), ("tau", 1.5), ("alpha", 1.0), ("k", 0)])
def test_a_number_out_of_range_names_its_option(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"^{name} cannot be {value}: input should be "):
        loop_options({name: value})


def test_classes_come_from_a_list_a_file_or_a_book(tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    book.write_text(PromptBook(classes=("x", "y")).model_dump_json())
    names = tmp_path / "names"
    names.write_text("one, two\n\n three \n")
    assert read_classes("a, b,c", None) == (["a", "b", "c"], None)
    assert read_classes(str(names), None) == (["one, two", "three"], None)
    classes, prompts = read_classes(None, book)
    assert (classes, prompts) == (("x", "y"), PromptBook(classes=("x", "y")))
    assert read_classes("a,b", book)[0] == ["a", "b"]


def test_no_classes_and_books_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No classes were given"):
        read_classes(None, None)
    with pytest.raises(ClassNamesError, match="no file"):
        read_classes("missing/names.txt", None)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_classes(None, tmp_path / "book.json")
    (tmp_path / "book.json").write_text('{"classes": 3}')
    with pytest.raises(InputError, match="is no prompt book"):
        read_classes(None, tmp_path / "book.json")


def test_a_folder_is_no_file_of_class_names(tmp_path: Path) -> None:
    with pytest.raises(ClassNamesError, match=r"is a folder.* Give a file with one name a line\.$"):
        read_classes(str(tmp_path), None)
    (tmp_path / "classes.txt").write_text("a\nb")
    with pytest.raises(ClassNamesError, match=r"is a folder.* Give '.*classes\.txt'\.$"):
        read_classes(str(tmp_path), None)


def test_options_with_an_effect_are_not_refused() -> None:
    assert not list(idle({"tau": 0.1, "k": 3}))
    assert not list(idle({"alpha": 0.3, "candidates": "conformal"}))
    assert not list(idle({"start": "book"}, book=Path("b.json"), limits={"max_calls": 3}))
    assert not list(idle({"start": "names", "max_rounds": 0}, limits={"max_calls": 3}, shown=True))
    assert not list(idle({"max_rounds": 0}, limits={"max_calls": 3}))


def test_what_a_run_has_settled_is_refused() -> None:
    refuse_with_resume({"paths": [], "classes": None, "k": None})
    with pytest.raises(
        InputError, match=r"^The paths, --max-rounds cannot be given with --resume: the run keeps its own\."
    ):
        refuse_with_resume({"paths": [Path("a")], "classes": None, "max_rounds": 3})


def test_a_resumed_run_may_not_be_given_no_rounds_either() -> None:
    with pytest.raises(InputError, match="--max-rounds"):
        refuse_with_resume({"max_rounds": 0})


def test_the_command_to_go_on() -> None:
    plain = command_for(PLAIN_TABLE)
    assert again(plain, Path("runs/20260102-x")) == "fieldmark classify --resume 20260102-x"
    columns = {"top_k": 5, "all_classes": True}
    assert (
        again(command_for(columns), Path("runs/x")) == "fieldmark classify --resume x --top-k 5 --all-classes"
    )
    assert again(plain, Path("my runs/x")) == "fieldmark classify --resume x --out 'my runs'"
