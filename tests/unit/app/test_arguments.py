"""Wrong arguments of public classes raise our error, which names the argument."""

from pathlib import Path
from typing import Any, Literal

import pytest

from fieldmark import (
    Aviary,
    BuildOptions,
    Classifier,
    ConceptBuilder,
    ConceptClassifier,
    ConceptConversation,
    DefineOptions,
    EvalOptions,
    Evaluator,
    OptimizeOptions,
    Optimizer,
    PromptBook,
    ResolveOptions,
    RunError,
    RunFolder,
    UsageLimits,
    decode_image,
    import_book,
    open_byte_store,
)
from fieldmark.app.arguments import checked_arguments
from fieldmark.errors import InputError

NAMES = ["finch", "heron"]


@pytest.mark.parametrize(
    ("cls", "given", "field", "says"),
    [
        (Classifier, {"classes": NAMES, "clas": 1}, "clas", "Did you mean classes"),
        (Classifier, {}, "classes", "needs classes"),
        (Classifier, {"classes": None}, "classes", "needs classes"),
        (Classifier, {"classes": NAMES, "report": "maybe"}, "report", "not True or False but"),
        (Classifier.from_run, {"run_id": 3}, "run_id", "not a path but 3"),
        (Classifier.from_run, {"run_id": "x", "out": 3}, "out", "not a path but 3"),
        (Optimizer, {"data": "x", "shots": "many"}, "shots", "not a whole number but"),
        (Optimizer.from_run, {}, "run_id", "needs run_id"),
        (Classifier, {"classes": NAMES, "clip": 3}, "clip", "neither a name nor a model but 3.*of Encoder"),
        (
            Classifier,
            {"classes": NAMES, "llm": 3},
            "llm",
            "neither a name nor a model but 3.*of LanguageModel",
        ),
        (Classifier, {"classes": NAMES, "vlm": object()}, "vlm", "neither a name nor a model"),
        (Classifier, {"classes": NAMES, "noun": 3}, "noun", "not a text but 3"),
        (Classifier, {"classes": NAMES, "progress": 3}, "progress", "cannot be called"),
        (Classifier, {"classes": NAMES, "cache": "on"}, "cache", "cannot be 'on'. It is one of 'use'"),
        (Classifier, {"classes": NAMES, "home": 3}, "home", "not a path"),
        (Classifier, {"classes": NAMES, "options": {"max_rounds": -1}}, "max_rounds", "cannot be -1"),
        (Classifier, {"classes": NAMES, "options": {"rounds": 1}}, "rounds", "rounds"),
        (Classifier, {"classes": NAMES, "limits": 3}, "limits", "no UsageLimits"),
        (Optimizer, {"data": "x", "options": {"generations": "many"}}, "generations", "cannot be 'many'"),
        (Evaluator, {"data": "x", "options": {"shots": -1}}, "shots", "cannot be -1"),
        (Evaluator, {"data": 3}, "data", "neither a path nor a data source"),
        (Evaluator, {"data": Aviary(), "noun": "x"}, "noun", "Leave noun out"),
        (Optimizer, {"data": 3}, "data", "neither a path nor a data source"),
        (Aviary, {"species": 1}, "species", "^species cannot be 1"),
        (Aviary, {"names": "mixed", "settings": ("new",)}, "names, settings", "names of their own"),
        (Aviary, {"mistakes": 0.7}, "mistakes", "^mistakes cannot be 0.7"),
        (Aviary, {"settings": ("x",)}, "settings", "no setting 'x'"),
        (ConceptClassifier, {}, "folder", "needs folder"),
        (ConceptClassifier, {"folder": "x", "home": 3}, "home", "not a path"),
        (ConceptConversation, {"folder": "x", "set": 1}, "set", "Did you mean setup"),
        (ConceptConversation.new, {"name": "x", "pol": "y"}, "pol", "Did you mean pool"),
        (ConceptConversation.open, {"name": "x", "options": {"blind": -1}}, "blind", "cannot be -1"),
        (ConceptBuilder, {}, "folder", "needs folder"),
        (ConceptBuilder.open, {"name": "x", "limits": {"max_calls": -1}}, "max_calls", "cannot be -1"),
        (ResolveOptions, {"k": -1}, "k", "^k cannot be -1: input should be greater than or equal to 1"),
        (ResolveOptions, {"taw": 1}, "taw", "no field 'taw'. Did you mean tau"),
        (OptimizeOptions, {"folds": 1}, "folds", "^folds cannot be 1: one fold leaves nothing"),
        (DefineOptions, {"kind": "x"}, "kind", "^kind cannot be 'x'"),
        (BuildOptions, {"owner_weights": ("x",)}, "owner_weights", "^owner_weights.0 cannot be 'x'"),
        (EvalOptions, {"seeds": 0}, "seeds", "^seeds cannot be 0"),
        (UsageLimits, {"max_calls": -1}, "max_calls", "^max_calls cannot be -1"),
    ],
)
def test_a_wrong_argument_is_named(cls: Any, given: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        cls(**given)
    assert raised.value.field == field


def test_texts_are_taken_for_folders_and_mappings_for_options() -> None:
    made = Classifier(classes=NAMES, home="x", out="y", options={"max_rounds": 1})  # pyright: ignore
    assert (made.home, made.out) == (Path("x"), Path("y"))
    assert made.options == ResolveOptions(max_rounds=1)
    assert Evaluator(data="x", out="z").out == Path("z")


def test_a_plain_function_keeps_its_first_argument() -> None:
    @checked_arguments
    def join(first: Path | str, way: Literal["a", "b"] | None = None) -> object:
        return (first, way)

    assert join("x") == join(first="x") == (Path("x"), None)
    assert join("s3://bucket/x") == ("s3://bucket/x", None)
    for given, field in (({"first": "x", "way": "c"}, "way"), ({}, "first"), ({"first": 3}, "first")):
        with pytest.raises(InputError) as told:
            join(**given)  # pyright: ignore[reportArgumentType]
        assert told.value.field == field


def test_functions_take_texts_for_paths_and_refuse_what_is_none(tmp_path: Path) -> None:
    for taken in (import_book, decode_image, PromptBook.load, open_byte_store, RunFolder):
        with pytest.raises(InputError, match="not a path but 3"):
            taken(3)
    assert RunFolder(str(tmp_path / "run")).path == tmp_path / "run"
    with pytest.raises(RunError, match="There is no run 'x'"):
        RunFolder.open(str(tmp_path), Path("x"))


def test_the_repr_has_what_differs_from_the_defaults() -> None:
    made = Classifier(classes=NAMES, options=ResolveOptions(max_rounds=1))
    assert repr(made) == "Classifier(classes=('finch', 'heron'), options=ResolveOptions(max_rounds=1))"
    assert len(repr(Classifier(classes=[f"class {number}" for number in range(1000)]))) < 200
