"""The tables as Markdown: the same figures, and nothing that a reader of Markdown would act on."""

import re
from pathlib import Path

import pytest

from fieldmark.evals.report.table.markdown import escaped
from fieldmark.evals.report.table.page import write_table_report
from fieldmark.evals.table.join import SettingRuns
from tests.unit.evals.report.tables_to_report import (
    BASE,
    METHODS_HERE,
    asked,
    evaluation,
    four,
    left_out,
    method,
    run,
    truth,
)  # fmt: skip
from tests.unit.evals.report.test_report_classify import HOSTILE


def written(parent: Path, settings: list[SettingRuns], methods=METHODS_HERE, **more: object) -> str:
    folder, result = evaluation(parent, settings, methods, **more)
    write_table_report(folder, result, settings)
    return (folder.path / "table.md").read_text(encoding="utf-8")


def test_a_table_a_setting(tmp_path: Path) -> None:
    other = SettingRuns(truth("other"), [run("base", (0,), setting="other"), left_out("asks", "no | names")])
    text = written(tmp_path, [four(), other], notes=("A script answers.",))
    assert text.startswith("# Fieldmark eval: photos\n\nCLIP model ViT-B-32:openai; answers by a-model; 16")
    head = "| Method | Source | Top-1 | Against base | Against control |"
    same = "Macro accuracy is top-1 here: every class has as many images."
    assert f"## photos, new\n\n8 test images. {same}\n\n{head}" in text
    assert (
        "| The asks (transductive) | Paper of asks | 100.0% (100.0–100.0) | +75.0 (+75.0 to +75.0; p 1.00) "
        "| +62.5 (+50.0 to +75.0; p 1.00, not significant) | 100.0% | 100.0% (land) | 0.250 | 7 (2 failed) "
        "| 1,000 (900 + 100) | 30 | 1.5 s |"
    ) in text
    assert "| The base (baseline) |" in text and "| Random words (control) |" in text
    assert "With 2 classes p cannot fall below 0.5" in text
    assert "\n- left out: The asks: no \\| names\n" in text
    assert "\n- labels: uses labelled training images\n" in text and "- captions:" not in text
    assert text.endswith("A script answers.\n")
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert [len({line.count("|") for line in table.split("\n")}) for table in tables] == [1, 1]


def test_unknown_tokens_are_a_dash(tmp_path: Path) -> None:
    runs = [run("base", (0, 4)), run("asks", (0,), cost=asked(7, 30, tokens=None))]
    assert "| 7 | – | 30 |" in written(tmp_path, [SettingRuns(truth(), runs)])


@pytest.mark.parametrize(
    "name", (*HOSTILE, "a | b", "*b* _i_ `c` [l](x) ~s~", "one\n\n# two", "back\\|slash")
)
def test_names_are_data(tmp_path: Path, name: str) -> None:
    evil = method("base", title=name, source=name)
    settings = [SettingRuns(truth(data=name, setting=name), [run("base", (0,), data=name, setting=name)])]
    text = written(tmp_path, settings, (evil,), data=name, llm=name, notes=(name,))
    assert not re.search(r"<[a-z/]", text) and "\x00" not in text
    table = next(block for block in text.split("\n\n") if block.startswith("|"))
    # No bar of a name ends a cell, and no line of a name ends a row.
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.split("\n")] == [9] * 3
    assert [line for line in text.split("\n") if line.startswith("#")] == [
        f"# Fieldmark eval: {escaped(name)}",
        f"## {escaped(f'{name}, {name}')}",
    ]


def test_escaping_leaves_plain_words_alone() -> None:
    assert escaped("  Tit &  tern, 3.5%: a-b (c) ") == "Tit &amp; tern, 3.5%: a-b (c)"
    assert escaped("a|b\\c*d_e`f[g]h~i<j>") == "a\\|b\\\\c\\*d\\_e\\`f\\[g\\]h\\~i&lt;j&gt;"


def test_nothing_measured(tmp_path: Path) -> None:
    text = written(tmp_path, [SettingRuns(truth(), [left_out("base", "needs names")])], (BASE,))
    assert "## photos, new\n\n- left out: The base: needs names\n" in text and "| Method" not in text
    assert written(tmp_path, [], ()).startswith("# Fieldmark eval: photos\n")
