"""`fieldmark eval` as a person would run it, on a small aviary."""

import json

from tests.command_line import CommandLine

SMALL = ("--species", "6", "--images", "3", "--shots", "2")
FEW = ("eval", "--data", "aviary", "--methods", "clip,dclip,clip-7", *SMALL)


def test_a_table_with_everything_a_script_wants(command_line: CommandLine) -> None:
    done = command_line.invoke(*FEW, "--json")
    assert done.code == 0, done.err
    assert done.json["schema"] == "fieldmark.eval/1"
    assert {"data", "rows", "baseline", "run"} <= set(done.json)
    wanted = {"method", "setting", "top1", "ci95", "p_vs_baseline", "worst_group", "ece"}
    wanted |= {"llm_requests", "texts_encoded", "seconds"}
    for row in done.json["rows"]:
        assert wanted <= set(row)
        assert row["outcome"] == "done"
        assert 0 <= row["ci95"][0] <= row["top1"] <= row["ci95"][1] <= 1
    keys = [row["method"] for row in done.json["rows"]]
    assert {done.json["baseline"], done.json["control"]} <= set(keys)  # every table carries both
    dclip = next(row for row in done.json["rows"] if row["method"] == "dclip")
    assert (dclip["llm_requests"], dclip["llm_fresh"]) == (6, 6)
    assert "Measuring" in done.err

    again = command_line.invoke(*FEW, "--json")
    fresh = [(row["llm_fresh"], row["texts_encoded"], row["images_encoded"]) for row in again.json["rows"]]
    assert set(fresh) == {(0, 0, 0)}  # nothing is paid for twice
    same = [[row["method"], row["top1"], row["ece"], row["p_vs_baseline"]] for row in done.json["rows"]]
    assert same == [
        [row["method"], row["top1"], row["ece"], row["p_vs_baseline"]] for row in again.json["rows"]
    ]


def test_resume_skip_done_and_join(command_line: CommandLine) -> None:
    stopped = command_line.invoke(*FEW, "--max-calls", "2")
    assert stopped.code == 3, stopped.err
    assert "--resume" in stopped.err
    (run,) = (command_line.folder / "runs").iterdir()
    measured = {path.name for path in (run / "methods" / "new").glob("*.json")}
    assert "clip-0.json" in measured
    assert "dclip-0.json" not in measured
    resumed = command_line.invoke("eval", "--resume", run.name, "--max-calls", "100", "--json")
    assert resumed.code == 0, resumed.err
    dclip = next(row for row in resumed.json["rows"] if row["method"] == "dclip")
    assert (dclip["llm_requests"], dclip["llm_fresh"]) == (6, 4)  # two were answered before

    skipped = command_line.invoke(*FEW, "--skip-done", "--json")
    row = next(row for row in skipped.json["rows"] if row["method"] == "dclip")
    assert row["seconds"] == dclip["seconds"]  # taken over, not measured

    other = command_line.invoke("eval", "--data", "aviary", "--methods", "dclip-max", *SMALL, "--json")
    joined = command_line.invoke("eval", "join", run.name, other.json["run"], "--json")
    assert joined.code == 0, joined.err
    assert {"clip", "dclip", "dclip-max"} <= {row["method"] for row in joined.json["rows"]}


def test_what_cannot_be_is_a_sentence(command_line: CommandLine) -> None:
    for wrong, words in [
        (("eval",), "No data were given"),
        (("eval", "--data", "nowhere"), "nowhere"),
        (("eval", "--data", "aviary", "--methods", "clop"), "no method 'clop'"),
        (("eval", "--data", "aviary", "--settings", "moon"), "no setting 'moon'"),
        (("eval", "--data", "aviary", "--baseline", "clop"), "no method 'clop'"),
        (("eval", "--data", "aviary", "--methods", "none.py:METHOD"), "could not be loaded"),
        (("eval", "--resume", "none"), "no run 'none'"),
        (("eval", "join", "none"), "no run 'none'"),
        (("eval", "--resume", "x", "--seed", "1"), "has its own --seed"),
    ]:
        done = command_line.invoke(*wrong)
        assert done.code == 2, wrong
        assert words in done.err, (wrong, done.err)
        assert "Traceback" not in done.err


def test_the_methods_are_listed(command_line: CommandLine) -> None:
    listed = command_line.invoke("eval", "methods", "--json")
    keys = [method["method"] for method in listed.json["methods"]]
    assert len(keys) == len(set(keys))
    assert keys[0] == "clip"
    assert json.dumps(listed.json)
