"""`fieldmark classify` stopped by a kill, Ctrl-C, a limit or the endpoint, and gone on with."""

import dataclasses
import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from fieldmark.aviary.guide.guide import Guide
from tests.command_line import CommandLine, guide_script
from tests.e2e.classifying import MODEL, SPECIES, at, classes, labels
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, rate_limited
from tests.warm_process import WarmProcess


def test_a_killed_run_goes_on_without_asking_again(
    command_line: CommandLine, birds: Path, guide: Guide
) -> None:
    plain = guide_script(guide)
    killed = False

    def stuck_on_rivals(request: Received) -> Reply:
        # The first look is answered; the first follow-up question never is, until the run was killed.
        reply = plain(request)
        if is_about_rivals(json.dumps(request.body)) and not killed:
            return dataclasses.replace(reply, delay_s=60)
        return reply

    with FaultyEndpoint([stuck_on_rivals], models=[{"id": MODEL}]) as endpoint:
        place = at(endpoint, command_line)
        process = place.start(*classes(birds))
        await_questions(process, endpoint, more_than=1 + SPECIES)
        process.kill()
        process.communicate()
        killed = True
        before = questions(endpoint)
        [run] = (command_line.folder / "runs").iterdir()

        resumed = place.run("classify", "--resume", run.name, "--no-report", "--json")
        assert resumed.code == 0, resumed.err
        after = questions(endpoint)
        twice = [question for question, count in after.items() if count > 1]
        assert twice == [question for question in before if is_about_rivals(question)]
        assert max(after.values()) == 2
        assert len(before) == 1 + SPECIES + len(twice)

        asked = endpoint.asked
        reference = dataclasses.replace(place, home=command_line.home.with_name("other"))
        whole = reference.invoke(*classes(birds), "--json")
        assert endpoint.asked - asked == len(after)
    assert labels(resumed) == labels(whole)
    assert resumed.json["stop_reason"] == whole.json["stop_reason"]
    assert any("killed process" in note for note in resumed.json["notes"])


def questions(endpoint: FaultyEndpoint) -> Counter[str]:
    """How often each question was asked; a second opinion has a seed of its own."""
    return Counter(json.dumps(request.body) for request in endpoint.chats)


def is_about_rivals(question: str) -> bool:
    """Whether it is a follow-up question that compares classes."""
    return '"differences"' in question or '\\"differences\\"' in question


def await_questions(process: WarmProcess, endpoint: FaultyEndpoint, *, more_than: int) -> None:
    """Wait until a run has asked so much."""
    until = time.monotonic() + 100
    while endpoint.asked <= more_than and time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert endpoint.asked > more_than


def test_ctrl_c_says_how_to_go_on(command_line: CommandLine, birds: Path, guide: Guide) -> None:
    plain = guide_script(guide)
    with FaultyEndpoint(
        [lambda r: dataclasses.replace(plain(r), delay_s=60)], models=[{"id": MODEL}]
    ) as endpoint:
        place = at(endpoint, command_line)
        process = place.start(*classes(birds), "--noun", "bird", "--out", "my runs")
        await_questions(process, endpoint, more_than=0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    [run] = (command_line.folder / "my runs").iterdir()
    assert (process.returncode, out) == (130, ""), err
    assert "fieldmark: interrupted; everything so far is kept.\n" in err
    assert f"           Go on with: fieldmark classify --resume {run.name} --out 'my runs'\n" in err
    assert "Traceback" not in err
    assert json.loads((run / "manifest.json").read_text())["stop_reason"] == "interrupted"


def test_a_limit_stops_and_a_higher_one_goes_on(
    command_line: CommandLine, birds: Path, endpoint: FaultyEndpoint
) -> None:
    place = at(endpoint, command_line)
    stopped = place.invoke(*classes(birds), "--max-calls", 1 + SPECIES)
    assert stopped.code == 3
    [run] = (command_line.folder / "runs").iterdir()
    assert "a limit was reached" in stopped.out
    assert f"Go on with a higher limit: fieldmark classify --resume {run.name} --max-calls" in stopped.out
    assert endpoint.asked == 1 + SPECIES

    resumed = place.invoke("classify", "--resume", run.name, "--max-calls", 500, "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["usage"]["requests"] == endpoint.asked  # of both processes
    assert max(questions(endpoint).values()) == 1
    assert not (run / "report.html").exists()
    assert place.invoke("classify", "--resume", run.name, "--report").code == 0
    assert (run / "report.html").is_file()


def test_an_endpoint_that_goes_away_can_be_waited_for(
    command_line: CommandLine, birds: Path, guide: Guide
) -> None:
    plain = guide_script(guide)

    def gone_after_the_first_look(request: Received) -> Reply:
        if is_about_rivals(json.dumps(request.body)):
            return Reply(401, b"{}")
        return plain(request)

    with FaultyEndpoint([gone_after_the_first_look], models=[{"id": MODEL}]) as endpoint:
        outcome = at(endpoint, command_line).invoke(*classes(birds))
    [run] = (command_line.folder / "runs").iterdir()
    assert outcome.code == 3
    assert f"Go on with: fieldmark classify --resume {run.name}" in outcome.out


@pytest.mark.parametrize("at_once", [False, True])
def test_a_long_pause_ends_a_run_resumably_and_says_until_when(
    command_line: CommandLine, birds: Path, guide: Guide, at_once: bool
) -> None:
    plain = guide_script(guide)

    def busy(request: Received) -> Reply:
        if at_once or is_about_rivals(json.dumps(request.body)):
            return rate_limited(retry_after_s=3600)
        return plain(request)

    with FaultyEndpoint([busy], models=[{"id": MODEL}]) as endpoint:
        outcome = at(endpoint, command_line).invoke(*classes(birds), "--noun", "bird")
        asked = endpoint.asked
    assert asked <= (4 if at_once else SPECIES + 4)  # and not one after it was told to wait
    assert outcome.code == 3
    assert "takes no questions until 20" in outcome.err
    [run] = (command_line.folder / "runs").iterdir()
    assert f"fieldmark classify --resume {run.name}" in outcome.out + outcome.err
