"""A pool for concepts by hand: a flock, and the guide that knows its pictures again."""

import json
import signal

from tests.command_line import CommandLine


def test_a_flock_and_the_guide_that_knows_it(command_line: CommandLine) -> None:
    drawn = command_line.invoke("aviary", "render", "flock", "--flock", 5, "--json")
    assert drawn.code == 0, drawn.err
    assert drawn.json["images"] == 5
    assert "fieldmark aviary guide --pictures flock" in drawn.err
    assert len(list((command_line.folder / "flock").glob("*.jpg"))) == 5

    server = command_line.start("aviary", "guide", "--pictures", "flock", "--json")
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=30)
    assert "5 pictures" in err
    blind = command_line.invoke("aviary", "guide", "--pictures", "nowhere")
    assert (blind.code, "fieldmark aviary render" in blind.err) == (2, True)
    assert said["schema"] == "fieldmark.guide/1"
