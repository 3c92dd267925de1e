"""`fieldmark eval` as a person would run it, on a small aviary."""

import json

from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.world.dataset import read_truth
from tests.command_line import CommandLine

SMALL = ("--species", "6", "--per-class", "3", "--shots", "2")
FEW = ("eval", "--data", "aviary", "--methods", "clip,dclip,clip-7", *SMALL)


def test_a_table_with_everything_a_script_wants(command_line: CommandLine) -> None:
    foretold = command_line.invoke(*FEW, "--dry-run", "--json")
    assert foretold.code == 0, foretold.err
    assert foretold.json["first_look"]["to_ask"] == foretold.json["classes"] == 6
    assert not (command_line.folder / "runs").exists()
    done = command_line.invoke(*FEW, "--json")
    assert done.code == 0, done.err
    assert command_line.invoke(*FEW, "--dry-run", "--json").json["first_look"]["cached"] == 6
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
    run = command_line.folder / done.json["run"]
    assert "DCLIP, mean of cosines" in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "table.md").is_file()
    assert f"Report: {done.json['run']}" in done.err
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["language_model"]["model"] == done.json["llm"]
    assert len(manifest["encoder"]["scoring_identity"]) == len(manifest["encoder"]["identity"]) == 64
    assert manifest["language_model"]["identity"]

    again = command_line.invoke(*FEW, "--json", "--no-report")
    assert not list((command_line.folder / again.json["run"]).glob("report.*"))
    fresh = [(row["llm_fresh"], row["texts_encoded"], row["images_encoded"]) for row in again.json["rows"]]
    assert set(fresh) == {(0, 0, 0)}  # nothing is paid for twice
    same = [[row["method"], row["top1"], row["ece"], row["p_vs_baseline"]] for row in done.json["rows"]]
    assert same == [
        [row["method"], row["top1"], row["ece"], row["p_vs_baseline"]] for row in again.json["rows"]
    ]


def test_resume_skip_done_and_join(command_line: CommandLine) -> None:
    stopped = command_line.invoke(*FEW, "--max-calls", "2")
    assert stopped.code == 3, stopped.err
    (run,) = (command_line.folder / "runs").iterdir()
    assert f"Go on with a higher limit: fieldmark eval --resume {run.name} --max-calls …" in stopped.err
    measured = {path.name for path in (run / "methods" / "new").glob("*.json")}
    assert "clip-0.json" in measured
    assert "dclip-0.json" not in measured
    first = json.loads((run / "manifest.json").read_text())
    assert (first["stop_reason"], first["usage"]["requests"]) == ("budget", 2)
    resumed = command_line.invoke("eval", "--resume", run.name, "--max-calls", "100", "--json")
    assert resumed.code == 0, resumed.err
    dclip = next(row for row in resumed.json["rows"] if row["method"] == "dclip")
    assert (dclip["llm_requests"], dclip["llm_fresh"]) == (6, 6)  # what was paid before the stop counts
    whole = json.loads((run / "manifest.json").read_text())
    assert (whole["stop_reason"], whole["usage"]["requests"]) == ("measured", 6)  # both processes
    for kind in ("images_encoded", "texts_encoded"):
        assert whole["encoder_usage"][kind] >= first["encoder_usage"][kind] > 0
    assert not [note for note in whole["notes"] if "killed" in note]
    (run / "manifest.json").unlink()  # as a kill would leave it
    command_line.invoke("eval", "--resume", run.name)
    killed = json.loads((run / "manifest.json").read_text())
    assert "what the killed process spent is not counted" in " ".join(killed["notes"])

    skipped = command_line.invoke(*FEW, "--skip-done", "--json")
    row = next(row for row in skipped.json["rows"] if row["method"] == "dclip")
    assert row["seconds"] == dclip["seconds"]  # taken over, not measured
    assert "Taking over 1 of " in skipped.err and ": dclip (" in skipped.err
    assert "Measuring" not in skipped.err

    other = command_line.invoke("eval", "--data", "aviary", "--methods", "dclip-max", *SMALL, "--json")
    joined = command_line.invoke("eval", "join", run.name, other.json["run"], "--json")
    assert joined.code == 0, joined.err
    assert {"clip", "dclip", "dclip-max"} <= {row["method"] for row in joined.json["rows"]}
    page = command_line.folder / joined.json["run"] / "report.html"
    assert "DCLIP, max of cosines" in page.read_text(encoding="utf-8")


def test_a_resumed_run_has_no_report_where_none_was_wanted(command_line: CommandLine) -> None:
    done = command_line.invoke("eval", "--data", "aviary", "--methods", "clip", *SMALL, "--no-report")
    assert done.code == 0, done.err
    (run,) = (command_line.folder / "runs").iterdir()
    assert command_line.invoke("eval", "--resume", run.name).code == 0
    assert not (run / "report.html").exists()
    assert command_line.invoke("eval", "--resume", run.name, "--report").code == 0
    assert (run / "report.html").is_file()


def test_a_limit_is_of_the_whole_run(command_line: CommandLine) -> None:
    both = ("eval", "--data", "aviary", "--settings", "new,known", "--methods", "dclip", *SMALL)
    stopped = command_line.invoke(*both, "--max-calls", "8")  # six for one, two for the other
    assert stopped.code == 3, stopped.err
    done = command_line.invoke(*both, "--json")
    rows = {(row["setting"], row["method"]): row for row in done.json["rows"]}
    assert rows["new", "dclip"]["llm_fresh"] == 0
    assert rows["known", "dclip"]["llm_fresh"] == 4


def test_what_cannot_be_is_a_sentence(command_line: CommandLine) -> None:
    for wrong, words in [
        (("eval",), "No data were given"),
        (("eval", "--data", "nowhere"), "nowhere"),
        (("eval", "--data", "aviary", "--methods", "clop"), "no method 'clop'"),
        (("eval", "--data", "aviary", "--settings", "moon"), "no setting 'moon'"),
        (("eval", "--data", "aviary", "--methods", ""), "--methods is empty."),
        (("eval", "--data", "aviary", "--settings", ","), "--settings is empty."),
        (("eval", "--data", "aviary", "--baseline", "clop"), "no method 'clop'"),
        (("eval", "--data", "aviary", "--methods", "none.py:METHOD"), "could not be loaded"),
        (("eval", "--resume", "none"), "no run 'none'"),
        (("eval", "join", "none"), "no run 'none'"),
        (("eval", "--resume", "x", "--seed", "1"), "--seed cannot be given with --resume"),
        (("eval", "--resume", "x", "--reference", "y"), "--reference cannot be given with --resume"),
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


def test_the_guide_as_an_endpoint_is_called_a_script(command_line: CommandLine) -> None:
    drawn = command_line.invoke("aviary", "render", "birds", "--species", "3", "--images", "2")
    assert drawn.code == 0, drawn.err
    species = read_truth(command_line.folder / "birds")[0]
    own = ("eval", "--data", "birds", "--clip", "aviary", "--noun", "bird", "--shots", "0")
    with GuideServer(Guide(species)) as server:
        asked = ("--llm", server.model, "--base-url", server.base_url, "--methods", "dclip")
        done = command_line.invoke(*own, *asked)
    assert done.code == 0, done.err
    assert "It is not a language model." in done.out
    (run,) = (command_line.folder / "runs").iterdir()
    assert "It is not a language model." in (run / "report.html").read_text(encoding="utf-8")
    without = command_line.invoke(*own, "--methods", "clip")
    assert without.code == 0 and "It is not a language model." not in without.out


def test_data_of_ones_own_without_a_language_model(command_line: CommandLine) -> None:
    drawn = command_line.invoke(
        "aviary", "render", "birds", "--species", "0", "--known", "6", "--images", "4"
    )
    assert drawn.code == 0, drawn.err
    names = (command_line.folder / "birds" / "classes.txt").read_text().splitlines()
    tree = {name: name.split()[-1] for name in names}
    (command_line.folder / "tree.json").write_text(json.dumps(tree))
    own = (
        "eval",
        "--data",
        "birds",
        "--clip",
        "aviary",
        "--tree",
        "tree.json",
        "--noun",
        "bird",
        "--shots",
        "2",
    )
    done = command_line.invoke(*own, "--methods", "clip,dclip", "--json")
    assert done.code == 0, done.err
    rows = {row["method"]: row for row in done.json["rows"]}
    assert (rows["clip"]["images"], rows["clip"]["setting"]) == (12, "test")
    assert rows["clip"]["top1"] > 0.5  # names that the model knows
    assert rows["dclip"]["outcome"] == "left_out"
    assert "llm" in rows["dclip"]["reason"]
    resumed = command_line.invoke("eval", "--resume", done.json["run"].split("/")[-1], "--json")
    assert resumed.json["rows"] == done.json["rows"]

    for more, words in [
        (("--species", "6"), "Leave --species out"),
        (("--settings", "new"), "Leave --settings out"),
        (("--tree", "none.json"), "'none.json' does not exist"),
        (("--captions", __file__), "--pool"),
        (("--domain", "eurosat"), "EuroSAT"),
    ]:
        refused = command_line.invoke(*own, *more)
        assert refused.code == 2, more
        assert words in refused.err, (more, refused.err)
    aviary = command_line.invoke("eval", "--data", "aviary", "--noun", "bird")
    assert (aviary.code, "Leave noun out (--noun)." in aviary.err) == (2, True)
