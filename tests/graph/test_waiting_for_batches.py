"""A run by batches alone: it ends as if it had asked online, sends nothing twice, and tells what is amiss."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.batches.waiting import SentBatches, by_batches
from fieldmark.app.classifier import Classifier
from fieldmark.app.resolution import Resolution
from fieldmark.errors import EndpointBusy, EndpointError, InputError, RunError
from fieldmark.records import UsageLimits
from fieldmark.testing import ScriptedModel
from fieldmark.tools.runs.events import BatchResults, BatchStatus
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import held_alone
from tests.batch_endpoint import BatchEndpoint
from tests.faulty_endpoint import FaultyEndpoint, Reply, error
from tests.graph.classifying import KEY, SAME, WORLD, assert_nowhere, classifier, truly
from tests.graph.running import Events, options

CLASSES = len(WORLD.names)
ROUNDS = options(max_rounds=2)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchEndpoint]:
    monkeypatch.setattr("fieldmark.app.batches.waiting._FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("fieldmark.app.batches.waiting._LONGEST_PAUSE_S", 0.001)
    with BatchEndpoint([truly], models=SAME) as server:
        yield server


def sent_ids(service: BatchEndpoint) -> list[str]:
    return [request["custom_id"] for batch in service.sent for request in batch]


def again(place: Path, **given: Any) -> Classifier:
    return Classifier.from_run("latest", out=place, api_key=KEY, **given)


def labels(resolution: Resolution) -> list[Any]:
    return [each.model_dump() for each in resolution.predictions]


def test_it_is_the_run_of_asking_online(
    place: Path, pictures: Path, service: BatchEndpoint, tmp_path: Path
) -> None:
    events = Events()
    found = by_batches(classifier(place, service, images=pictures, options=ROUNDS, progress=events))
    assert service.asked == 0
    assert len(service.batches) > 1
    assert len(service.sent[0]) == CLASSES
    assert len(sent_ids(service)) == len(set(sent_ids(service))) == found.manifest.usage.requests
    assert all(each["completion_window"] == "24h" for each in service.batches.values())
    assert events.of(BatchStatus)[0].status == "validating"
    assert events.of(BatchStatus)[-1] == BatchStatus(
        batch=f"batch-{len(service.batches) - 1}",
        status="completed",
        done=len(service.sent[-1]),
        of=len(service.sent[-1]),
    )
    assert [each.taken for each in events.of(BatchResults)] == [len(batch) for batch in service.sent]
    assert_nowhere(place, KEY)

    online = classifier(place, service, images=pictures, options=ROUNDS, home=tmp_path / "other").resolve()
    assert service.asked == len(sent_ids(service))
    assert labels(online) == labels(found)

    before = len(service.batches)
    kept = by_batches(classifier(place, service, images=pictures, options=ROUNDS))
    assert labels(kept) == labels(found)
    assert len(service.batches) == before, "all of it was kept"


def test_a_process_that_ends_anywhere_sends_nothing_twice(
    place: Path, pictures: Path, service: BatchEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = RunFolder.write, 1

    def deadly(self: RunFolder, name: str, record: Any) -> Path:
        nonlocal left
        path = write(self, name, record)
        left -= name == "sent.json"
        if name == "sent.json" and left == 0:
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(RunFolder, "write", deadly)
    work, ends = classifier(place, service, images=pictures, options=ROUNDS), 0
    while True:
        try:
            found = by_batches(work)
            break
        except KeyboardInterrupt:
            ends += 1
            left = 1 + ends % 3
            work = again(place)
            assert ends < 40
    assert ends > 6
    assert len(sent_ids(service)) == len(set(sent_ids(service))) == found.manifest.usage.requests
    assert found.manifest.stop_reason == "resolved"


def test_a_batch_whose_response_was_lost_is_found_again(
    place: Path, pictures: Path, service: BatchEndpoint
) -> None:
    service.lost = 1
    with pytest.raises(EndpointBusy, match="cannot be sent now"):
        by_batches(classifier(place, service, images=pictures))
    assert by_batches(again(place)).usable
    assert len(service.batches) == 1


def test_bad_answers_are_counted_and_asked_again_but_not_for_ever(
    place: Path, pictures: Path, service: BatchEndpoint
) -> None:
    spoiled: list[str] = []

    def spoil(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        spoiled.append(spoiled[0] if spoiled else results[0]["custom_id"])
        for each in results:
            if each["custom_id"] == spoiled[0]:
                each["response"]["body"]["choices"][0]["message"]["content"] = "{}"
        return results if len(spoiled) > 1 else results[:-1]  # and one result is missing

    service.hook, events = spoil, Events()
    found = by_batches(classifier(place, service, images=pictures, progress=events))
    assert [len(batch) for batch in service.sent] == [CLASSES, 2, 1]
    assert sent_ids(service).count(spoiled[0]) == 3
    assert [(each.taken, each.bad) for each in events.of(BatchResults)] == [
        (CLASSES - 2, {"off_schema": 1}), (1, {"off_schema": 1}), (0, {"off_schema": 1}),
    ]  # fmt: skip
    assert found.manifest.usage.failed == 1


def test_what_ends_early_is_told_and_sent_again(place: Path, pictures: Path, service: BatchEndpoint) -> None:
    service.ends = ["failed", "expired", "expired", "expired", "completed"]
    with pytest.raises(EndpointError, match=r"batch-0 was refused by the service: Enqueued token limit"):
        by_batches(classifier(place, service, images=pictures))
    for kept, left in ((3, 3), (1, 2), (1, 1)):
        said = f"not finished in its 24 hours. {kept} answers are kept, {left} questions wait."
        with pytest.raises(EndpointBusy, match=said):
            by_batches(again(place))
    found = by_batches(again(place))
    assert [len(batch) for batch in service.sent] == [CLASSES, CLASSES, 3, 2, 1]
    assert found.manifest.usage.failed == 0, "what was never asked has not failed, however often it was sent"


def test_a_batch_that_the_service_forgot_is_told_and_its_questions_are_sent_again(
    place: Path, pictures: Path, service: BatchEndpoint
) -> None:
    service.ends = ["forgotten", "completed"]
    with pytest.raises(EndpointBusy, match="not known to the service any more"):
        by_batches(classifier(place, service, images=pictures))
    assert by_batches(again(place)).manifest.usage.failed == 0
    assert [len(batch) for batch in service.sent][:2] == [CLASSES, CLASSES]


def test_limits_hold_for_what_is_sent(place: Path, pictures: Path, service: BatchEndpoint) -> None:
    short = by_batches(classifier(place, service, images=pictures, limits=UsageLimits(max_calls=4)))
    assert short.manifest.stop_reason == "budget"
    assert [len(batch) for batch in service.sent] == [4]
    assert by_batches(again(place, limits=UsageLimits())).manifest.stop_reason == "max_rounds"
    assert [len(batch) for batch in service.sent] == [4, CLASSES - 4]


def test_a_service_that_is_away_for_a_while_is_waited_for(
    place: Path, pictures: Path, service: BatchEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, reply = 8, service._reply

    def now_and_then(request: Any) -> Reply:
        nonlocal away
        if "/batches/" in request.path and away:
            away -= 1
            return error(503, headers={"retry-after-ms": "1"})
        return reply(request)

    monkeypatch.setattr(service, "_reply", now_and_then)
    assert by_batches(classifier(place, service, images=pictures)).usable
    assert (away, len(service.batches)) == (0, 1)


def test_two_that_wait_for_one_run_send_nothing_twice(
    place: Path, pictures: Path, service: BatchEndpoint
) -> None:
    service.lost = 1
    with pytest.raises(EndpointBusy):
        by_batches(classifier(place, service, images=pictures))
    (run,) = place.glob("*classify*")
    with (
        held_alone(run / "batches", work="the batches of the run", hint="Wait."),
        pytest.raises(RunError, match="Another process is working on the batches of the run"),
    ):
        by_batches(again(place))
    assert len(service.batches) == 1


def test_what_cannot_be_is_a_sentence(place: Path, pictures: Path, service: BatchEndpoint) -> None:
    with pytest.raises(InputError, match="come by way of the cache"):
        by_batches(classifier(place, service, images=pictures, cache="refresh"))
    with pytest.raises(InputError, match="asked by itself"):
        by_batches(classifier(place, service, images=pictures, llm=ScriptedModel({})))
    with (
        FaultyEndpoint([truly], models=SAME) as without,
        pytest.raises(EndpointError, match=r"does not answer batches \(HTTP 404\)"),
    ):
        by_batches(classifier(place, without, images=pictures))
    (run,) = place.glob("*classify*")
    kept = SentBatches.model_validate(json.loads((run / "batches" / "sent.json").read_text()))
    assert [(each.questions, each.file_id) for each in kept.open] == [(CLASSES, "")]
