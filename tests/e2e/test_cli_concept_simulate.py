from tests.command_line import CommandLine

SMALL = (
    "concept", "simulate", "--owners", "striped", "--pool", 200, "--held-out", 60, "--annotate", 60,
    "--boards", 1, "--blind", 20, "--questions", 1, "--workers", 1,
)  # fmt: skip


def test_an_owner_is_simulated_from_the_first_question_to_the_measurement(command_line: CommandLine):
    done = command_line.run(*SMALL, "--controls", "name_only,no_conversation", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["schema"] == "fieldmark.simulate/1"
    (owner,) = found["owners"]
    assert owner["rule"] == "striped"
    assert owner["f1"] > 0.7
    assert 0 < owner["student_f1"] <= 1
    assert owner["labels_used"] <= 30
    assert owner["kappa_from_instructions"] is not None
    assert set(owner["controls"]) == set(found["pooled"]["differences"]) == {"name_only", "no_conversation"}
    assert "it is no language model" in done.err
    assert (next(command_line.folder.glob("runs/*")) / "result.json").is_file()


def test_wrong_names_are_refused_before_anything_is_drawn(command_line: CommandLine):
    for options, said in (
        (("--owners", "nobody"), "'nobody'"),
        (("--owners", "striped", "--controls", "magic"), "'magic'"),
    ):
        done = command_line.invoke("concept", "simulate", *options)
        assert done.code == 2
        assert said in done.err
        assert not list(command_line.folder.glob("runs/*"))
