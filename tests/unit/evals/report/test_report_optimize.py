from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.optimize.ablation import Reflected, ReflectedEdit
from fieldmark.agents.optimize.finish import BookScore, ClassScore, CurvePoint, SearchResult
from fieldmark.agents.optimize.folds import FoldCurve, Folds, HeldOutPoint, SearchLength
from fieldmark.agents.optimize.search_run import TOUCHED_ONCE, OptimizeResult, OtherEncoder, SearchSeconds
from fieldmark.errors import RunError
from fieldmark.evals.report.curves import Curve, stepped, thinned, whole_numbers
from fieldmark.evals.report.figures import Axis
from fieldmark.evals.report.optimize import MOST_FOLDED, SHOWN, write_optimize_report
from fieldmark.evals.report.prompt_changes import MOST_UNITS, prompt_changes, units_of
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.statistics.resample import Gain
from tests.unit.evals.report.checked_page import CheckedPage
from tests.unit.evals.report.runs_to_report import manifest_of
from tests.unit.evals.report.test_report_classify import HOSTILE

GENERAL = Origin(kind="descriptor", question="describe.v1")
LOOK_ALIKES = Origin(kind="differential", question="differentiate_group.v1", attribute="bill")
NO_TEST: dict[str, Any] = {"test_top1": None, "ci95": None}


def score(train: float, test: float, **more: Any) -> BookScore:
    values = {"train_top1": train, "test_top1": test, "ci95": (test - 0.1, test + 0.1), "fitness": 10 * train}
    return BookScore.model_validate(values | {"prompts": 12} | more)


def unit(name: str, *texts: str, origin: Origin = GENERAL) -> list[Prompt]:
    return [Prompt(class_name=name, text=t, origin=origin, weight=1 / len(texts)) for t in texts]


def book_of(*prompts: Prompt, classes: tuple[str, ...]) -> PromptBook:
    return PromptBook(classes=classes, noun="bird", prompts=prompts, pooling="prototype")


def run_of(parent: Path, *, classes: tuple[str, ...] = ("wren", "crow"), **more: Any) -> RunFolder:
    """A finished search: the first class gained, the second lost."""
    run = RunFolder.create(parent / "runs", kind="optimize", options={})
    first, second = classes[:2]
    kept = unit(second, f"a {second}")
    run.write("start_book.json", book_of(*unit(first, f"old {first}"), *kept, classes=classes))
    new = unit(first, f"new {first}", f"itap of a new {first}", origin=LOOK_ALIKES)
    run.write_book(book_of(*new, *kept, classes=classes))
    both = {
        "start": score(0.2, 0.25),
        "best": score(0.9, 0.75),
        "gain": Gain(difference=0.5, ci95=(0.4, 0.6), p=0.0001),
        "kept_start": False,
        "templates": ("a {}.", "itap of a {}."),
        "generations": 7,
        "candidates": 1234,
    }
    both |= {name: value for name, value in more.items() if name in both}
    found = {
        "curve": tuple(
            CurvePoint(generation=5 + n, stage="classes", fitness=3.0 + n, train_top1=0.5, test_top1=0.4)
            for n in range(3)
        ),
        "by_class": {
            first: ClassScore(images=10, start=2, best=9),
            second: ClassScore(images=10, start=3, best=1),
        },
        "vanished": ((first, second, 8, 1),),
        "appeared": ((second, first, 0, 2),),
        "rarer": 1,
        "more_frequent": 1,
        "folds": None,
        "reflect": None,
    }
    found |= {name: value for name, value in more.items() if name in found}
    run.write("optimize.json", SearchResult.model_validate(both | found))
    result = {
        "data": "photos",
        "classes": len(classes),
        "shots": 2,
        "seed": 3,
        "strategy": "proapo",
        "fitness": "entropy",
        "texts_encoded": 5,
        "distinct_texts": 6,
        "images_encoded": 7,
        "questions": 8,
        "seconds": SearchSeconds(total=10, encode=6, search=3, llm=1),
        "resumed": False,
        "run": str(run.path),
    }
    others = {name: value for name, value in more.items() if name not in both and name not in found}
    run.write("result.json", OptimizeResult.model_validate(both | result | others))
    run.write_manifest(manifest_of(run, notes=(TOUCHED_ONCE, "A note.")))
    return run


def page_of(run: RunFolder) -> CheckedPage:
    return CheckedPage(write_optimize_report(run).read_text(encoding="utf-8"))


def test_page_says_what_was_found_and_stands_alone(tmp_path: Path) -> None:
    run = run_of(tmp_path, ceiling=0.875)
    page = page_of(run)
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert "http://" not in html and "https://" not in html and "url(" not in html
    assert "Prompts for 2 classes, found from 2 images of each" in page.text
    said = (
        "On 20 test images the book that was found is right 75.0% of the time, the book it started from 25.0%"
    )
    assert said in page.text
    assert "+50.0 points (95% interval +40.0 to +60.0)" in page.text
    assert "Best fitness +9.00 75.0% 65.0%–85.0% 90.0% 12" in page.text
    assert "Paired gain +50.0 +40.0 to +60.0 p < 0.001" in page.text
    assert "Ceiling sees the test images 87.5%" in page.text
    assert page.text.count("A note.") == 1 and TOUCHED_ONCE not in page.text
    assert "nothing was chosen by them" in page.text and "looked at once, afterwards" in page.text
    assert page.attributes("svg", "aria-label") == [
        "Fitness of the fittest book after each generation",
        "Top-1 of the fittest book after each generation, on training and on test images",
    ]
    assert [c for c in page.attributes("polyline", "class") if "curve" in c] == [
        "curve strong",
        "curve train",
        "curve test",
    ]
    assert "level ceiling" in page.attributes("polyline", "class")


def test_what_changed_is_told_with_its_origin(tmp_path: Path) -> None:
    text = page_of(run_of(tmp_path)).text
    assert "More often right 1 Start and best, class by class Class" in text and "wren 2 9 10" in text
    assert "Less often right 1 Start and best, class by class Class" in text and "crow 3 1 10" in text
    assert "wren 2 → 9 of 10 test images right 1 added, 1 removed, 0 kept" in text
    assert "added: new wren in 2 wordings question about look-alikes: bill" in text
    assert "removed: old wren question about the class" in text
    assert "1 class kept its prompts." in text
    assert "Rarer, or gone 1 Taken for each other True class Taken for Start Best wren crow 8 1" in text
    assert (
        "New, or more frequent 1 Taken for each other True class Taken for Start Best crow wren 0 2" in text
    )


def test_without_test_images_nothing_is_said_of_them(tmp_path: Path) -> None:
    curve = (CurvePoint(generation=2, stage="classes", fitness=1, train_top1=0.5, test_top1=None),)
    run = run_of(
        tmp_path, start=score(0.2, 0, **NO_TEST), best=score(0.9, 0, **NO_TEST), gain=None, curve=curve,
        by_class={}, vanished=(), appeared=(), rarer=0, more_frequent=0,
    )  # fmt: skip
    page = page_of(run)
    assert "There were no test images: nothing says how well it does on new ones." in page.text
    for absent in ("Paired gain", "Class by class", "Taken for each other", "looked at once", "test curve"):
        assert absent not in page.text
    assert "curve test" not in page.attributes("polyline", "class")


def test_a_kept_start_and_no_generations(tmp_path: Path) -> None:
    page = page_of(run_of(tmp_path, kept_start=True, curve=()))
    assert "Nothing fitter than the start was found: the book is the start." in page.text
    assert "Generation by generation" not in page.text


def test_other_encoders_are_told(tmp_path: Path) -> None:
    gain = Gain(difference=-0.02, ci95=(-0.05, 0.01), p=0.3)
    other = OtherEncoder(clip="RN50:random", start_top1=0.6, best_top1=0.58, gain=gain)
    assert "RN50:random 60.0% 58.0% −2.0 −5.0 to +1.0" in page_of(run_of(tmp_path, also=(other,))).text


def folds_of(passes: int) -> Folds:
    """Two folds of two searches; the second pass was best, the first one chosen."""
    choices = [
        SearchLength(
            stage="start" if n == 0 else "sampled" if n == 1 else "searched",
            passes=max(0, n - 1),
            penalty=0.0 if n == 0 else 0.005,
            units=10 + n,
            held_out_fitness=float(n),
            held_out_top1=n / 10,
            shortfall=float(passes - n),
            standard_error=0.5,
        )
        for n in range(passes + 1)
    ]
    points = tuple(
        HeldOutPoint(
            stage=c.stage, passes=c.passes, units=9, train_fitness=1, train_top1=1, held_out_fitness=0,
            held_out_top1=c.held_out_top1,
        )
        for c in choices
    )  # fmt: skip
    curves = tuple(
        FoldCurve(
            fold=n,
            penalty=0.005,
            train_images=2,
            held_out_images=2,
            candidates=9,
            points=points[: len(points) - n],
        )
        for n in (0, 1)
    )
    return Folds(
        folds=2,
        fold_candidates=1234,
        chosen=choices[-2],
        best=choices[-1],
        choices=tuple(choices),
        curves=curves,
    )


def test_held_out_folds_are_told_with_what_was_chosen(tmp_path: Path) -> None:
    page = page_of(run_of(tmp_path, folds=folds_of(3)))
    assert "cut into 2 folds" in page.text and "1,234 candidates were scored in the folds" in page.text
    shown, folded = page.text.split("Held-out folds")[1].split("Class by class")[0].split("1 more")
    assert "The start itself 10 units 3.00 ± 0.50 0.00 0.0%" in shown
    assert "1 pass, chosen 12 units, penalty 0.005 1.00 ± 0.50 +2.00 20.0%" in shown
    assert "2 passes, best 13 units" in shown
    assert "The best sampled book 11 units" in folded
    assert "Held-out folds" not in page_of(run_of(tmp_path)).text


def test_reflected_edits_are_told_with_their_worth(tmp_path: Path) -> None:
    edits = tuple(
        ReflectedEdit(
            class_name=f"class {n}", generation=n, added=("a <b>red</b> bill",), removed=("a bill",),
            in_best=n > 0, test_without=0.7,
        )
        for n in range(12)
    )  # fmt: skip
    reflect = Reflected(
        passes=2, questions=9, failed=1, ended="no more calls.", descriptors=30, units=60, edits_scored=500,
        accepted=edits, units_in_best=4, test_best=0.75, test_without=0.6, improving=3, harming=1,
    )  # fmt: skip
    page = page_of(run_of(tmp_path, reflect=reflect))
    shown, folded = page.text.split("Reflected edits")[1].split("Class by class")[0].split("2 more")
    said = "9 questions, 30 new descriptors, 500 edits scored. Reflecting ended early: no more calls."
    assert said in shown
    assert "75.0%, 60.0%" in shown and "3, 1" in shown
    assert "class 0 generation 0, later dropped worth +5.0 points on test images" in shown
    assert "added: a <b>red</b> bill removed: a bill" in shown
    assert "class 11" in folded and "class 11" not in shown
    assert "Reflected edits" not in page_of(run_of(tmp_path)).text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_texts_are_data(tmp_path: Path, name: str) -> None:
    other = OtherEncoder(clip=name, start_top1=0.6, best_top1=0.58, gain=Gain(difference=0, ci95=(0, 0), p=1))
    page = page_of(run_of(tmp_path, classes=(name, "crow"), also=(other,), data=name, templates=(name,)))
    shown = name.strip()[:12].replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert page.text.count(" ".join(shown.split())) > 5
    assert "\x00" not in page.text


def test_many_classes_are_listed_within_bounds(tmp_path: Path) -> None:
    names = tuple(f"class {n:03}" for n in range(400))
    scores = {name: ClassScore(images=1000, start=0, best=1000 - n) for n, name in enumerate(names)}
    run = run_of(tmp_path, classes=names, by_class=scores)
    start = book_of(*(p for name in names for p in unit(name, f"old {name}")), classes=names)
    new = (p for name in names for n in range(MOST_UNITS + 2) for p in unit(name, f"new {n} {name}"))
    run.write("start_book.json", start)
    run.write_book(book_of(*new, classes=names))
    page = page_of(run)
    hidden, folded = len(names) - SHOWN, MOST_FOLDED
    assert f"More often right {len(names)}" in page.text
    assert f"{hidden} more; {folded} of them here, all in optimize.json" in page.text
    assert f"{hidden} more; {folded} of them here, all in book.json" in page.text
    assert "and 2 more added" in page.text
    last = names[SHOWN + folded - 1]
    assert f"new 0 {last}" in page.text and f"new 0 {names[SHOWN + folded]}" not in page.text
    assert (run.path / "report.html").stat().st_size < 3_000_000


def test_units_stand_together_only_where_they_share_a_weight() -> None:
    pair = unit("a", "one", "two")
    assert units_of([*pair, *unit("a", "three")]) == [tuple(pair), tuple(unit("a", "three"))]
    torn = [pair[0], *unit("a", "three")]
    assert [len(each) for each in units_of(torn)] == [1, 1]
    assert [len(each) for each in units_of([pair[0].model_copy(update={"weight": 0.0})])] == [1]


def test_a_unit_that_moved_is_no_change() -> None:
    one, two = unit("a", "one"), unit("a", "two")
    before, after = book_of(*one, *two, classes=("a",)), book_of(*two, *one, classes=("a",))
    assert prompt_changes(before, after, {}) == []


def test_curves_are_steps_that_end_where_they_should() -> None:
    across, up = Axis(low=0, high=10, ticks=(0, 10)), Axis(low=0, high=1, ticks=())
    page = CheckedPage(str(stepped([Curve("k", ((0, 0.0), (5, 1.0), (10, 1.0)))], across, up, title="<t>")))
    assert page.attributes("polyline", "points") == ["0,200 500,200 500,6 1000,6"]
    assert page.attributes("svg", "aria-label") == ["<t>"]
    assert thinned([(n, 0.0) for n in range(10)], most=4) == [(0, 0), (3, 0), (6, 0), (9, 0)]
    assert thinned([(n, 0.0) for n in range(9)], most=4)[-1] == (8, 0)
    assert whole_numbers(1).ticks == (0, 1)
    assert whole_numbers(138).ticks == (0, 50, 100)


def test_a_run_without_its_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"result\.json"):
        write_optimize_report(RunFolder.create(tmp_path, kind="optimize", options={}))
