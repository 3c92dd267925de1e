"""`fieldmark config show` says each setting and where it comes from."""

from tests.command_line import CommandLine


def test_each_value_has_its_source(command_line: CommandLine) -> None:
    (command_line.folder / "fieldmark.toml").write_text('llm = "m"\n')
    said = command_line.invoke("config", "show", "--json")
    assert said.code == 0
    by_name = {each["name"]: each for each in said.json["settings"]}
    assert by_name["llm"] == {
        "name": "llm",
        "value": "m",
        "origin": "file",
        "place": str(command_line.folder / "fieldmark.toml"),
    }
    assert (by_name["home"]["origin"], by_name["home"]["place"]) == ("environment", "FIELDMARK_HOME")
    assert by_name["clip"]["origin"] == "default"
    words = command_line.invoke("config", "show")
    assert "FIELDMARK_HOME" in words.out
    assert str(command_line.folder / "fieldmark.toml") in words.out


def test_a_mistake_in_the_file_ends_every_command(command_line: CommandLine) -> None:
    (command_line.folder / "fieldmark.toml").write_text("llm_tiemout = 3\n")
    for arguments in (("config", "show"), ("cache", "stats"), ("fetch",)):
        said = command_line.invoke(*arguments)
        assert (said.code, said.out) == (2, "")
        assert "Did you mean llm_timeout?" in said.lines[0]
