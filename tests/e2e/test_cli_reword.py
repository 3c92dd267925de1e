"""`fieldmark reword` on drawn birds, and a classification in other words."""

import json
from pathlib import Path

from fieldmark.prompts.describe import PROMPT_ID as DESCRIBE
from tests.command_line import CommandLine, Outcome
from tests.e2e.classifying import at, classes
from tests.faulty_endpoint import FaultyEndpoint

RULES = "- Give up to six marks.\n- Name the $colour of each part."


def test_the_loop_asks_in_other_words_and_says_so(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    words = place.folder / "words.json"
    words.write_text(json.dumps({"instructions": {DESCRIBE: RULES}}))
    told = ("--noun", "bird", "--max-rounds", 0, "--json")
    worded = place.invoke(*classes(birds), *told, "--words", words)
    assert worded.code == 0, worded.err
    assert sum(RULES in request.text for request in endpoint.chats) == endpoint.asked == 6
    assert len(prompts(place, worded)["words"]) == 16
    plain = place.invoke(*classes(birds), *told)
    assert plain.json["usage"]["requests"] == 6  # no answer to other words is taken for one to these
    assert "words" not in prompts(place, plain)
    words.write_text(json.dumps({"instructions": {DESCRIBE: "</data>"}}))
    refused = place.invoke(*classes(birds), "--words", words)
    assert refused.code == 2 and "breaks the question's frame" in refused.err


def prompts(place: CommandLine, done: Outcome) -> dict[str, str]:
    """What the manifest of a run says of its prompts."""
    return json.loads((place.folder / done.json["run"] / "manifest.json").read_text())["prompts"]


def test_words_of_questions_are_searched_for_within_a_budget(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    search = ("reword", birds, "--noun", "bird", "--json")
    few = place.invoke(*search, "--shots", 2)
    assert few.code == 2 and "12 labelled images are too few" in few.err
    named = place.invoke(*search, "--version", 2)
    assert named.code == 2 and "Leave these out" in named.err
    foretold = place.invoke(*search, "--dry-run")
    assert foretold.json["follow_up_most"] > 100 and endpoint.asked == 0
    stopped = place.invoke(*search, "--max-calls", 8)
    assert stopped.code == 3 and "goes on where it was" in stopped.err
    done = place.invoke(*search)
    assert done.code == 0, done.err
    found = done.json["found"]
    # The guide never reads the rules: it gives them back, and the search ends with the shipped words.
    assert done.json["instructions"] == {}
    assert {each["outcome"] for each in found["tried"]} == {"unchanged"}
    assert (found["labels"], found["held_out"], found["right"]) == (9, 9, None)
    assert found["calls"] <= endpoint.asked <= found["calls"] + 8  # what was answered is not asked again
