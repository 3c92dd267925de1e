"""What a method needs is told at once, with the argument that brings it."""

from pathlib import Path
from typing import Any

import pytest

from fieldmark import Classifier
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.by_method.choice import LOOP, mistakes_of, needs_of, options_for
from fieldmark.errors import InputError, RunError, SettingsError
from fieldmark.evals.methods.registry import METHODS
from fieldmark.evals.table.chosen_names import METHOD_NEEDS, OWN_WORDS
from fieldmark.testing import HashingEncoder
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.unchanged import check_unchanged

PLAIN = ResolveOptions()


def said(method: str, options: ResolveOptions = PLAIN, **given: Any) -> list[tuple[str, str]]:
    """Field and message of each mistake."""
    return [(each.field, each.message) for each in mistakes_of(method, given, options)]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.key)
def test_what_is_known_of_a_method_without_loading_it_holds(method) -> None:
    assert set(METHOD_NEEDS.get(method.key, ())) == {need.value for need in method.needs} - {"names"}


def test_methods_that_find_their_own_words_or_learn_from_other_classes_label_no_folder() -> None:
    cannot = {method.key for method in METHODS if options_for(method.key) is None}
    assert cannot == {*OWN_WORDS, "adapt-linear", "gist", "adapt-low-rank", "adaptclipzs"}
    for key in cannot:
        assert [field for field, _ in said(key)][:1] == ["method"]


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("clip", []),
        ("transclip-zs", []),
        ("tip-adapter", ["labels"]),
        ("caps-adapter", ["captions", "pool"]),
        ("loki-tree", ["tree"]),
        ("proapo", ["labels"]),
        (LOOP, []),
        ("mine.py:METHOD", []),
    ],
)
def test_what_is_missing_is_named(method: str, fields: list[str]) -> None:
    assert [field for field, _ in said(method)] == fields


def test_a_wrong_name_gets_the_nearest_one() -> None:
    (mistake,) = mistakes_of("tip-adaptor", {}, PLAIN)
    assert mistake.field == "method"
    assert mistake.hint.startswith("Did you mean tip-adapter? There are: clip, ")
    assert "cased" not in mistake.hint


@pytest.mark.parametrize("name", ["labels", "pool", "tree", "shots", "calibration", "vlm", "book"])
def test_what_is_of_no_use_to_a_method_is_refused(name: str) -> None:
    given: dict[str, Any] = {name: 1 if name == "shots" else "x"}
    assert name in [field for field, _ in said("clip", **given)]


def test_options_of_the_loop_are_of_no_use_but_for_its_candidates() -> None:
    assert said("clip", ResolveOptions(tau=0.5, k=3, noun="bird")) == []
    assert [field for field, _ in said("clip", ResolveOptions(risk=0.1))] == ["risk"]
    assert [field for field, _ in said(LOOP, pool="x", shots=3)] == ["pool", "shots"]


def test_python_hears_the_same(tmp_path: Path) -> None:
    names = ["wren", "robin"]
    with pytest.raises(InputError, match="needs labelled images"):
        Classifier(classes=names, clip=HashingEncoder(), method="tip-adapter")
    with pytest.raises(InputError, match="There is no method"):
        Classifier(classes=names, clip=HashingEncoder(), method="clipp")
    with pytest.raises(SettingsError, match="The method dclip asks a language model, and none is named"):
        Classifier(classes=names, clip=HashingEncoder(), method="dclip", out=tmp_path, home=tmp_path).resolve(
            Path(__file__).parents[4] / "docs" / "images"
        )
    assert needs_of("mine.py:METHOD") is None


def test_a_run_from_before_there_were_methods_goes_on_by_the_loop(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, kind="classify", options={"classes": ["a", "b"]})
    check_unchanged(run, {"classes": ["a", "b"], "method": LOOP})
    with pytest.raises(RunError, match="the method 'resolve'"):
        check_unchanged(run, {"classes": ["a", "b"], "method": "clip"})
