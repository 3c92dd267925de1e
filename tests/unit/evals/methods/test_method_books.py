"""Prompt books as rows of the table."""

from pathlib import Path

import pytest
import torch

from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import InputError
from fieldmark.evals.methods.books import book_methods
from fieldmark.evals.methods.registry import BY_KEY, methods_named
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.records import GivenLabel, Origin, Prompt, PromptBook
from tests.unit.evals.methods.made_up_bench import WORLD, Benches, by_hand

NAMES = WORLD.names


def text(name: str) -> str:
    return f"a bird, which has {WORLD.value(name, 'bill')} and {WORLD.value(name, 'tail')}."


def saved(path: Path, names: tuple[str, ...] = NAMES, **more: object) -> str:
    path.parent.mkdir(exist_ok=True)
    prompts = tuple(Prompt(class_name=n, text=text(n), origin=Origin(kind="descriptor")) for n in names)
    PromptBook(classes=names, prompts=prompts, pooling="prototype", **more).save(path)  # pyright: ignore
    return str(path)


def run(method: EvalMethod, bench: EvalBench) -> MethodScores:
    return run_to_end(method.run(bench))  # pyright: ignore[reportArgumentType]


def test_a_book_scores_by_its_own_rule_in_the_order_of_the_data(tmp_path: Path, make_bench: Benches) -> None:
    bench = make_bench()
    (method,) = book_methods([saved(tmp_path / "mine.json", tuple(reversed(NAMES)))], BY_KEY)
    assert (method.key, method.title) == ("book-mine", "Prompt book mine")
    scores = run(method, bench).scores
    assert scores is not None
    assert torch.allclose(scores, by_hand(bench, [[text(name)] for name in NAMES]), atol=1e-4)


def test_books_of_runs_are_called_after_their_runs(tmp_path: Path) -> None:
    files = [saved(tmp_path / run / "book.json") for run in ("one-run", "two-run")]
    (tmp_path / "else").mkdir()
    files.append(saved(tmp_path / "else" / "one-run.json"))
    keys = [method.key for method in methods_named(["clip", *files])]
    assert keys == ["clip", "book-one-run", "book-two-run", "book-one-run-2"]
    versions = {method.version for method in book_methods(files, BY_KEY)}
    assert len(versions) == 1  # the same book, wherever it lies
    saved(tmp_path / "one-run" / "book.json", noun="bird")
    assert {method.version for method in book_methods(files, BY_KEY)} > versions


def test_what_cannot_be_a_row_is_refused(tmp_path: Path, make_bench: Benches) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        methods_named([str(tmp_path / "none.json")])
    bare = tmp_path / "bare.json"
    PromptBook(classes=("crow", "wren")).save(bare)
    with pytest.raises(InputError, match="no prompt for 'crow'"):
        methods_named([str(bare)])
    (other,) = book_methods([saved(tmp_path / "other.json", NAMES[:-1])], BY_KEY)
    with pytest.raises(InputError, match="it lacks 1, and has 0"):
        run(other, make_bench())


def test_test_images_that_chose_the_prompts_are_told(tmp_path: Path, make_bench: Benches) -> None:
    bench = make_bench()
    chosen = GivenLabel(
        image="a.png", image_hash=bench.images[0].content_hash, answer="class", label=NAMES[0]
    )
    (method,) = book_methods([saved(tmp_path / "mine.json", labelled=(chosen,))], BY_KEY)
    assert run(method, bench).notes == ("1 of the test images chose its prompts: the figure is too high",)
    (blind,) = book_methods([saved(tmp_path / "mine.json")], BY_KEY)
    assert run(blind, bench).notes == ()
