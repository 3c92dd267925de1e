"""The page of an evaluation says what the rows and runs say, and nothing of it is markup."""

from pathlib import Path

import pytest

from fieldmark.errors import RunError
from fieldmark.evals.report.page import Script
from fieldmark.evals.report.table.page import floor_note, write_table_report
from fieldmark.evals.table.join import SettingRuns, table_rows
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.records import BOUND, EvalResult, MethodRun, Row
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.evals.report.checked_page import CheckedPage
from tests.unit.evals.report.runs_to_report import manifest_of
from tests.unit.evals.report.tables_to_report import (
    ASKS,
    BASE,
    CLASSES,
    LABELS,
    METHODS_HERE,
    WORDS,
    asked,
    evaluation,
    four,
    left_out,
    method,
    run,
    truth,
)  # fmt: skip
from tests.unit.evals.report.test_report_classify import HOSTILE


def page_of(run: RunFolder, result: EvalResult, settings: list[SettingRuns]) -> CheckedPage:
    html = write_table_report(run, result, settings).read_text(encoding="utf-8")
    return CheckedPage(html, script=Script.named("sort.js").text)


def page_here(
    parent: Path, settings: list[SettingRuns], methods: tuple[EvalMethod, ...] = METHODS_HERE, **more: object
) -> CheckedPage:
    return page_of(*evaluation(parent, settings, methods, **more), settings)


def test_the_table_says_every_figure_of_a_row(tmp_path: Path) -> None:
    text = page_here(tmp_path, [four()]).text
    assert "4 methods on photos" in text
    assert "Highest top-1: The asks, 100.0% (95% interval 100.0 to 100.0). 0 of 3 methods beat" in text
    assert "8 test images of 2 classes; 32 labelled images; 5 unlabelled ones" in text
    assert (
        "The asks Paper of asks · asks transductive 100.0% 100.0–100.0 +75.0 +75.0 to +75.0 p 1.00 "
        "+62.5 +50.0 to +75.0 p 1.00, not significant 100.0% 100.0% land 0.250"
    ) in text
    assert "The asks 7 2 failed 1,000 900 + 100 30 1.5 s" in text
    assert "The base Paper of base · base baseline 25.0% 25.0–25.0 – −12.5 −25.0 to 0.0" in text
    assert "Random words Paper of words · words control 37.5% 25.0–50.0 +12.5 0.0 to +25.0 p 1.00 – " in text
    assert "The shots Paper of shots · shots labels other images 50.0% 0.0–100.0" in text
    assert "so that macro accuracy is top-1" in text and "Tree distance" not in text


def test_the_best_is_told_with_what_it_uses(tmp_path: Path) -> None:
    told = {"base": (0,), "shots": (0, 1, 2, 3, 4, 5)}
    runs = [run(key, right) for key, right in told.items()]
    text = page_here(tmp_path, [SettingRuns(truth(), runs)]).text
    assert (
        "Highest top-1: The shots, 75.0% (95% interval 50.0 to 100.0), with labels; without any, The base, "
        "12.5% (95% interval 0.0 to 25.0)."
    ) in text
    assert "The shots, 75.0% (95% interval 50.0 to 100.0), with labels." in (
        page_here(tmp_path, [SettingRuns(truth(), runs[1:])]).text
    )


def test_rows_that_beat_the_control_are_told_from_the_others(tmp_path: Path) -> None:
    folder, result = evaluation(tmp_path, [four()], METHODS_HERE)
    told = {"asks": 0.01, "base": 0.02}
    rows = tuple(
        row.model_copy(update={"p_holm_control": told.get(row.method, row.p_holm_control)})
        for row in result.rows
    )
    page = page_of(folder, result.model_copy(update={"rows": rows}), [four()])
    assert "1 of 3 methods beat" in page.text
    assert "p 0.01, beats it" in page.text and "p 0.02, behind it" in page.text
    kinds = [kind for kind in page.attributes("svg", "class") if "interval" in kind]
    assert kinds == [f"figure interval {kind}" for kind in ("baseline", "control", "beats", "alike")]
    # Each plot has the control's line: 37.5% on an axis from 0 to 100%.
    levels = [named for tag, named in page.elements if tag == "line" and named.get("class") == "level"]
    assert [named["x1"] for named in levels] == ["37.5%"] * 4


def test_few_classes_cannot_tell_methods_apart() -> None:
    rows = [row for row in evaluation_rows() if row.top1 is not None]
    said = floor_note(truth(), rows)
    assert "With 2 classes p cannot fall below 0.5, and for 3 methods it counts 3 times" in said
    many = truth(classes=tuple("abcdefghij"), labels=tuple(range(10)), groups=())
    assert floor_note(many, rows) == ""  # 3 × 2 / 1024 is below 5%
    assert floor_note(truth(), [row for row in rows if row.method == "words"]) == ""


def evaluation_rows() -> list[Row]:
    return list(table_rows([four()], METHODS_HERE, baseline="base", control="words", resamples=200))


def test_unknown_tokens_are_no_zero(tmp_path: Path) -> None:
    runs = [run("base", (0, 4)), run("asks", (0,), cost=asked(7, 30, tokens=None))]
    text = page_here(tmp_path, [SettingRuns(truth(), runs)]).text
    assert " 7 – 30 1.5 s" in text  # questions, tokens, texts
    assert " 0 0 20 1.5 s" in text  # the baseline asks nothing: that is known


def test_columns_are_there_where_a_row_fills_them(tmp_path: Path) -> None:
    runs = [run("base", (0, 4)), run("asks", range(8), candidates=((0, 1),) * 4 + ((1,),) * 4)]
    tree = truth(distances=((0.0, 4.0), (4.0, 0.0)))
    text = page_here(tmp_path, [SettingRuns(tree, runs)]).text
    assert "Sets Tree distance The base" in text and "Method Texts Time" in text
    assert "1.5 cover 100.0% 0.00 square 0.00 0.00–0.00" in text  # four sets of two, four of one
    assert "– 3.00 square 12.00 12.00–12.00" in text  # six of eight images are four steps off
    assert "Questions Tokens" not in text and "Cluster" not in text  # nothing was asked


def test_macro_accuracy_has_a_column_where_classes_differ_in_size(tmp_path: Path) -> None:
    uneven = truth(labels=(0, 0, 0, 0, 0, 0, 1, 1), groups=())
    one = run("base").model_copy(update={"predicted": (0,) * 8})
    text = page_here(tmp_path, [SettingRuns(uneven, [one])]).text
    assert "Top-5 Macro Worst group" in text and "macro accuracy is top-1" not in text
    assert "75.0% 0.0–100.0 100.0% 50.0% 0.0% crow" in text


def test_accuracy_per_cost_names_what_no_cheaper_method_reaches(tmp_path: Path) -> None:
    page = page_here(tmp_path, [four()])
    assert "Top-1 against questions Random words : 37.5% for 0 The asks : 100.0% for 7" in page.text
    texts = "The base : 25.0% for 2 The asks : 100.0% for 30"
    assert f"Top-1 against texts {texts}" in page.text
    spots = [kind for kind in page.attributes("circle", "class") if kind.startswith("spot")]
    assert spots == ["spot alike", "spot alike apart", "spot baseline", "spot control"] * 2
    # Labels are a cost of another kind: half of the images right for no question sets no line.
    assert page.attributes("line", "class").count("frontier") == 2 * 3
    nothing_asked = [run("base", (0,)), run("shots", (0, 1))]
    assert "Top-1 against questions" not in page_here(tmp_path, [SettingRuns(truth(), nothing_asked)]).text


def test_reliability_is_of_all_seeds_together(tmp_path: Path) -> None:
    seeded = method("base", seeded=True)
    runs = [run("base", range(8)), run("base", (), seed=1, confidence=(0.25,) * 8)]
    page = page_here(tmp_path, [SettingRuns(truth(), runs)], (seeded,))
    assert "confidence 0.75, right 1.00, images 8" in page.text
    assert "confidence 0.25, right 0.00, images 8" in page.text
    # The table's error is the mean over seeds: (0.25 + 0.25) / 2.
    assert "Reliability of The base: calibration error 0.250" in page.attributes("svg", "aria-label")
    assert "50.0% 50.0–50.0 ± 70.7 over 2 seeds" in page.text


def test_classes_and_groups_where_the_baseline_is_worst(tmp_path: Path) -> None:
    text = page_here(tmp_path, [four()]).text
    assert (
        "Class Images The base baseline Random words control The asks best transductive The shots best with "
        "labels crow 4 25.0% 25.0% 100.0% 0.0% wren 4 25.0% 50.0% 100.0% 100.0% "
        "all test images 8 25.0% 37.5% 100.0% 50.0%"
    ) in text
    assert "land 4 0.0% 0.0% 100.0% 50.0% sea 4 50.0% 75.0% 100.0% 50.0%" in text
    no_groups = SettingRuns(truth(groups=()), four().runs)
    assert "The groups" not in page_here(tmp_path, [no_groups]).text
    no_baseline = SettingRuns(truth(), four().runs[1:])
    assert "Where they fail" not in page_here(tmp_path, [no_baseline]).text


def test_missing_methods_are_told_with_the_reason(tmp_path: Path) -> None:
    runs = [
        run("base", (0,)),
        left_out("words", "needs names"),
        left_out("asks", "needs names"),
        left_out("shots", "out of memory", outcome="failed"),
        left_out("shots", "out of luck", outcome="failed"),
    ]
    page = page_here(tmp_path, [SettingRuns(truth(), runs)])
    assert "left out needs names Random words ; The asks failed out of memory The shots" in page.text
    half = [run("base", (0,)), left_out("base", "broke", outcome="failed").model_copy(update={"seed": 1})]
    assert "one seed failed broke The base" in page_here(tmp_path, [SettingRuns(truth(), half)], (BASE,)).text


def test_what_methods_and_settings_say_of_themselves(tmp_path: Path) -> None:
    noted = SettingRuns(truth(notes=("Groups: places.",)), four().runs)
    page = page_here(tmp_path, [noted], notes=("A script answers.", "Groups: places."))
    assert page.text.count("Groups: places.") == 1  # beside its setting, and not at the top
    assert "A script answers." in page.text
    assert "The shots a note share 0.1235" in page.text


def test_several_settings_have_an_overview(tmp_path: Path) -> None:
    other = SettingRuns(truth("other"), [run("base", (0,), setting="other"), left_out("asks", "needs llm")])
    page = page_here(tmp_path, [other, four()])  # rows decide the order, not the folders
    assert "Method photos, other photos, new The base baseline 12.5% 25.0%" in page.text
    assert "The asks transductive – 100.0%" in page.text
    links, ids = page.attributes("a", "href"), page.attributes("section", "id")
    assert [link for link in links if "setting" in link] == [f"#{each}" for each in ids] and len(ids) == 2


def test_published_figures_stand_beside_what_they_fit(tmp_path: Path) -> None:
    test = truth(data="imagenet")
    dclip = method("dclip", needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}))
    settings = [SettingRuns(test, [run("dclip", (0,), data="imagenet"), run("base", data="imagenet")])]
    page = page_here(tmp_path, settings, (dclip, BASE), data="imagenet")
    assert "12.5% 0.0–25.0 published 63.12" in page.text and page.text.count("published 63.12") == 1
    section = page.text.split("Published figures beside ours")[1]
    first, every = section.split(" All ")
    assert "The dclip ImageNet 12.5% 0.0–25.0 63.12 ViT-B/32 Roth et al. 2023" in first
    assert "FuDD" not in first
    assert "FuDD, k = 10 CUB-200 ViT-L/14@336 65.90" in every
    other = page_here(tmp_path, settings, (dclip, BASE), data="imagenet", clip="ViT-B-16:openai")
    assert "published 63.12" not in other.text
    assert "None is of a method, data set and CLIP model that was measured here." in other.text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_notes_are_data(tmp_path: Path, name: str) -> None:
    named = truth(
        data=name, setting=name, classes=(name, CLASSES[1]), groups=(name,) * 8, notes=(f"1 {name}",)
    )
    evil = method("base", title=name, source=name)
    settings = [
        SettingRuns(named, [
            run("base", (0,), data=name, setting=name, notes=(f"2 {name}",), diagnostics={name: 1.0}),
            left_out("words", name),
        ]),
    ]  # fmt: skip
    folder, result = evaluation(
        tmp_path, settings, (evil, WORDS), data=name, clip=name, llm=name, notes=(f"3 {name}",)
    )
    page = page_of(folder, result, settings)
    shown = name.strip()[:12].replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert page.text.count(" ".join(shown.split())) > 10
    assert "\x00" not in page.text


def test_a_page_without_settings_says_so(tmp_path: Path) -> None:
    page = page_here(tmp_path, [])
    assert "Nothing measured on photos" in page.text and "no setting with runs" in page.text
    assert "Published figures (not measured here)" in page.text


def test_one_method_alone(tmp_path: Path) -> None:
    text = page_here(tmp_path, [SettingRuns(truth(), [run("base", (0, 4))])], (BASE,)).text
    assert "1 method on photos" in text and "Against" not in text
    assert "these runs lack the control" in text and "beats the control" not in text
    assert "25.0% 25.0–25.0 100.0% 0.0% land 0.500" in text and "The base 20 1.5 s" in text


def test_all_left_out(tmp_path: Path) -> None:
    runs = [left_out("base", "needs names"), left_out("asks", "needs names")]
    page = page_here(tmp_path, [SettingRuns(truth(), runs)], (BASE, ASKS))
    assert "Nothing measured on photos" in page.text
    assert "No method could be measured here. Left out, or failed" in page.text
    assert "left out needs names The base ; The asks" in page.text
    assert page.count("svg") == 0


def words_found(key: str, **more: object) -> MethodRun:
    """A run of a method that finds words of its own."""
    own = {"predicted": (), "confidence": (), "among_five": ()}
    figures = {"cluster_accuracy": 0.5, "semantic_similarity": 0.625, "semantic_iou": 0.125}
    return run(key, open_vocabulary=figures, names=("a bird",) * 8, **(own | more))


def test_words_alone_are_no_class(tmp_path: Path) -> None:
    page = page_here(tmp_path, [SettingRuns(truth(), [words_found("words")])], (WORDS,))
    assert "No method was given the class names" in page.text
    assert "Method Cluster accuracy Similarity Word IoU" in page.text
    assert "words control 50.0%" in page.text and "62.5% 12.5%" in page.text
    assert page.count("svg") == 0


def test_methods_without_classes_have_a_table_of_their_own(tmp_path: Path) -> None:
    runs = [run("base", (0,)), run("asks", (0, 1)), words_found("shots")]
    page = page_here(tmp_path, [SettingRuns(truth(), runs)])
    assert "3 methods on photos" in page.text
    first, second = page.text.split("Methods that find words of their own")
    assert "The asks Paper of asks" in first and "Cluster accuracy" not in first.split("photos, new")[1]
    assert "Method Cluster accuracy Similarity Word IoU The shots" in second


def test_an_upper_bound_is_no_rival(tmp_path: Path) -> None:
    told = words_found("base", predicted=LABELS, confidence=(0.75,) * 8, among_five=(True,) * 8,
                       notes=(BOUND,))  # fmt: skip
    page = page_here(tmp_path, [SettingRuns(truth(), [told, words_found("words")])])
    assert "No method was given the class names" in page.text and "Highest" not in page.text
    assert "The base Paper of base · base baseline upper bound 100.0%" in page.text
    assert "upper bound is given the class names" in page.text
    # One table of two methods that are measured alike; no plot of costs, no diagram of trust.
    assert page.attributes("table", "class").count("methods sortable") == 1
    assert "Accuracy per cost" not in page.text and "trust" not in page.attributes("svg", "class")


def test_the_page_stands_alone_and_runs_one_script(tmp_path: Path) -> None:
    folder, result = evaluation(tmp_path, [four()], METHODS_HERE)
    folder.write_manifest(manifest_of(folder))
    html = write_table_report(folder, result, [four()]).read_text(encoding="utf-8")
    page = CheckedPage(html, script=Script.named("sort.js").text)
    assert "http://" not in html and "https://" not in html and "url(" not in html
    policy = next(each for each in page.attributes("meta", "content") if "default-src" in each)
    assert policy.endswith(f"; script-src {Script.named('sort.js').allowed}") and page.count("script") == 1
    assert "python 3.12.1" in page.text
    # Figures are sorted as numbers, and what is missing has none.
    cells = [named for tag, named in page.elements if tag == "td" and named.get("class") == "number"]
    assert [cell.get("data-order") for cell in cells[:3]] == ["0.25", None, "-0.125"]


def test_many_methods_unfold(tmp_path: Path) -> None:
    many = tuple(method(f"m{number:02}") for number in range(40))
    settings = [SettingRuns(truth(), [run(each.key, (0,)) for each in many])]
    folder, result = evaluation(tmp_path, settings, many)
    page = page_of(folder, result, settings)
    assert "28 more" in page.text and page.attributes("svg", "class").count("trust") == 40
    assert (folder.path / "report.html").stat().st_size < 400_000


def test_a_broken_manifest_is_an_error(tmp_path: Path) -> None:
    folder, result = evaluation(tmp_path, [four()], METHODS_HERE)
    (folder.path / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match=r"manifest\.json"):
        write_table_report(folder, result, [four()])
