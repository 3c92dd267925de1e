import json

from tests.command_line import CommandLine

SMALL = (
    "concept", "simulate", "--owners", "striped", "--pool", 200, "--held-out", 60, "--annotate", 60,
    "--boards", 1, "--blind", 20, "--questions", 1, "--workers", 1,
)  # fmt: skip


def test_an_owner_is_simulated_from_the_first_question_to_the_measurement(command_line: CommandLine):
    controls = "name_only,no_conversation,random_boards"
    done = command_line.invoke(*SMALL, "--controls", controls, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["schema"] == "fieldmark.simulate/1"
    (owner,) = found["owners"]
    assert owner["rule"] == "striped"
    assert owner["f1"] > 0.7
    assert 0 < owner["student_f1"] <= 1
    assert owner["labels_used"] <= 30
    assert owner["kappa_from_instructions"] is not None
    assert set(owner["controls"]) == set(found["pooled"]["differences"]) == set(controls.split(","))
    for talk in ("conversation", "random_boards"):
        before, after = owner["stages"][talk]
        assert (before["labels"], after["labels"]) == (0, 5)
        assert 0 < before["f1"] <= 1
    assert owner["stages"]["conversation"][-1]["f1"] == owner["f1"]
    assert [stage["boards"] for stage in found["pooled"]["stages"]] == [0, 1]
    assert "it is no language model" in done.err
    assert found["guide"] == "in-process"
    assert (next(command_line.folder.glob("runs/*")) / "result.json").is_file()


def test_a_killed_simulation_goes_on_with_the_owners_that_are_not_done(command_line: CommandLine):
    two = (*SMALL[:3], "striped,gloom", *SMALL[4:], "--controls", "none", "--guide", "http", "--json")
    whole = command_line.invoke(*two).json
    assert whole["guide"] == "http"
    (run,) = command_line.folder.glob("runs/*")
    kept = run / "owners" / "striped-0.json"
    told = json.loads(kept.read_text(encoding="utf-8"))
    told["result"]["boards"] = 77  # a run that is kept, not made again
    kept.write_text(json.dumps(told), encoding="utf-8")
    # What a kill leaves: the second owner's concept half talked over, and no run of it.
    (run / "owners" / "gloom-0.json").unlink()
    (run / "result.json").unlink()
    done = command_line.invoke("concept", "simulate", "--resume", run.name, "--workers", 1, "--json")
    assert done.code == 0, done.err
    striped, gloom = done.json["owners"]
    assert striped["boards"] == 77
    # Over HTTP answers are stored, and nothing that was answered is asked again.
    assert gloom == {**whole["owners"][1], "vlm_calls": gloom["vlm_calls"]}
    assert gloom["vlm_calls"] < whole["owners"][1]["vlm_calls"]
    assert (run / "result.json").is_file()
    kept = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert (kept["stop_reason"], kept["counts"]) == ("simulated", {"owners": 2})
    assert kept["usage"]["requests"] == striped["vlm_calls"] + gloom["vlm_calls"]
    refused = command_line.invoke("concept", "simulate", "--resume", run.name, "--seed", 3)
    assert refused.code == 2
    assert "--seed cannot be given" in refused.err


def test_an_owner_talks_about_several_flocks_each_time_anew(command_line: CommandLine):
    options = (*SMALL, "--controls", "none", "--json")
    both = command_line.invoke(*options, "--worlds", 2, "--seed", 4).json
    assert [(owner["rule"], owner["seed"]) for owner in both["owners"]] == [("striped", 4), ("striped", 5)]
    alone = command_line.invoke(*options, "--seed", 5).json
    assert alone["owners"] == both["owners"][1:]
    f1s = [owner["student_f1"] for owner in both["owners"]]
    assert abs(both["pooled"]["student_f1"]["value"] - sum(f1s) / 2) < 1e-3


def test_wrong_names_are_refused_before_anything_is_drawn(command_line: CommandLine):
    for options, said in (
        (("--owners", "nobody"), "'nobody'"),
        (("--owners", "striped", "--controls", "magic"), "'magic'"),
    ):
        done = command_line.invoke("concept", "simulate", *options)
        assert done.code == 2
        assert said in done.err
        assert not list(command_line.folder.glob("runs/*"))
