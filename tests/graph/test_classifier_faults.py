"""What bad endpoints get, through the whole `Classifier`."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.event_loop import run_to_end
from fieldmark.app.resolution import Resolution
from fieldmark.errors import (
    EndpointError,
    InputError,
    LimitReached,
    QuestionFailed,
    SettingsError,
)
from fieldmark.records import PromptBook, UsageLimits
from fieldmark.tools.runs.events import NounNotFound, StepFailed
from tests.faulty_endpoint import (
    FaultyEndpoint,
    Received,
    Reply,
    completion,
    error,
    rate_limited,
    web_page,
)
from tests.graph.classifying import (
    AT_ONCE,
    KEY,
    MODEL,
    SAME,
    WORLD,
    assert_nowhere,
    classifier,
    truly,
)
from tests.graph.running import Events, options
from tests.graph.world import data_of


def bad_for_the_heron(reply: Reply | Callable[[Received], Reply]) -> Callable[[Received], Reply]:
    """True answers, but to the question for the heron."""

    def answer(request: Received) -> Reply:
        if data_of(request.text).get("class") != "heron":
            return truly(request)
        return reply(request) if callable(reply) else reply

    return answer


def prose(request: Received) -> Reply:
    text = json.dumps(WORLD.answer(data_of(request.text)))
    return completion(f"Certainly! Here are the marks:\n```json\n{text}\n```\nAnything else?")


def torn(request: Received) -> Reply:
    return completion(json.dumps(WORLD.answer(data_of(request.text)))[:-5])


FAULTS: dict[str, tuple[Any, str]] = {
    "429": (error(429, "slow down", headers=AT_ONCE), "http_429"),
    "500": (error(500, headers=AT_ONCE), "http_500"),
    "400": (error(400, "this prompt is too long", headers=AT_ONCE), "http_400"),
    "HTML": (web_page(), "not_json"),
    "no body": (Reply(200, b""), "not_json"),
    "cut off": (completion('{"descriptors": ["a red', finish_reason="length"), "truncated"),
    "torn": (torn, "malformed"),
    "refusal": (completion(None, refusal="I must not."), "refused"),
    "filter": (completion("", finish_reason="content_filter"), "filtered"),
    "empty": (completion("  "), "empty"),
    "wrong schema": (completion('{"marks": ["a red belly"]}'), "off_schema"),
    "no marks": (completion('{"descriptors": []}'), "off_schema"),
    "broken connection": (Reply(hang_up=True), "connection"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_one_bad_class_does_not_stop_the_others_and_nothing_bad_is_kept(
    place: Path, pictures: Path, fault: Any, reason: str
) -> None:
    events = Events()
    with FaultyEndpoint([bad_for_the_heron(fault)], models=SAME) as endpoint:
        found = classifier(place, endpoint, progress=events).resolve(pictures)
        # At most three tries of three sendings each; a refusal is followed up to 129 times. One lists models.
        assert endpoint.asked <= 1 + 5 + (130 if reason == "http_429" else 9)
    (failed,) = events.of(StepFailed)
    assert failed.classes == ("heron",)
    assert failed.reason.startswith(f"{reason}: ")
    assert f"{MODEL} at {endpoint.base_url}" in failed.reason
    assert len(found) == 12
    assert found.manifest.usage.failed == 1
    assert found.manifest.usage.requests == 6
    assert found.manifest.stop_reason == "max_rounds"
    assert found.usable
    book = PromptBook.model_validate_json((found.run / "book.json").read_bytes())
    assert {prompt.class_name for prompt in book.prompts if prompt.origin.kind == "name"} == {"heron"}
    with FaultyEndpoint([truly], models=SAME) as endpoint:
        again = classifier(place, endpoint).resolve(pictures)
        assert [data_of(request.text)["class"] for request in endpoint.chats] == ["heron"]
    assert again.manifest.usage.cached == 5


@pytest.mark.parametrize("reply", [prose, rate_limited(retry_after_s=0), error(503, headers=AT_ONCE)])
def test_what_a_second_try_or_a_closer_look_mends_is_mended(place: Path, pictures: Path, reply: Any) -> None:
    """Prose around the answer; and an endpoint that is busy for its first two requests."""
    script = [truly] if reply is prose else [reply, reply, truly]
    with FaultyEndpoint([bad_for_the_heron(prose)] if reply is prose else script, models=SAME) as endpoint:
        found = classifier(place, endpoint).resolve(pictures)
    assert found.manifest.usage.failed == 0
    assert found.manifest.usage.requests == 6
    with FaultyEndpoint([error(500)], models=SAME) as endpoint:
        again = classifier(place, endpoint).resolve(pictures)
        assert endpoint.asked == 0
    assert again.predictions == found.predictions


def test_a_slow_endpoint_is_waited_for(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly], latency_s=0.3) as endpoint:
        found = classifier(place, endpoint).resolve(pictures)
        assert endpoint.most_at_once == 4  # and asked in parallel, as many as an endpoint here is given
    assert found.manifest.usage.failed == 0


# ---------------------------------------------------------------- nothing works


def test_an_endpoint_that_is_down(place: Path, pictures: Path) -> None:
    with FaultyEndpoint() as endpoint:
        url = endpoint.base_url
    with pytest.raises(EndpointError, match=f"{MODEL} at {url}") as caught:
        classifier(place, url).resolve(pictures)
    assert "doctor" in caught.value.hint
    (run_folder,) = place.iterdir()
    assert not (run_folder / "predictions.jsonl").exists()
    with FaultyEndpoint([truly], models=SAME) as endpoint:
        found = classifier(place, endpoint).resolve(pictures, resume=run_folder.name)
    assert found.manifest.stop_reason == "max_rounds"
    usage = found.manifest.usage
    assert (usage.requests, usage.failed) == (10, 4)  # of both processes; four are asked at a time here


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (error(401, f"{KEY} is no good"), "does not accept the API key"),
        (error(404, "no such model"), "is not there"),
        (web_page(), "does not speak the OpenAI protocol"),
    ],
)
def test_an_endpoint_that_answers_nobody(place: Path, pictures: Path, reply: Reply, says: str) -> None:
    with FaultyEndpoint([reply], models=SAME) as endpoint:
        with pytest.raises(EndpointError, match=says) as caught:
            classifier(place, endpoint).resolve(pictures)
        assert KEY not in str(caught.value)
        assert f"{MODEL} at {endpoint.base_url}" in str(caught.value)
    assert_nowhere(place.parent, KEY)
    with FaultyEndpoint([truly], models=SAME) as endpoint:
        classifier(place, endpoint).resolve(pictures)
        assert endpoint.asked == 6


def test_the_key_is_written_nowhere(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        classifier(place, endpoint).resolve(pictures)
        assert endpoint.chats[0].headers["authorization"] == f"Bearer {KEY}"
    assert_nowhere(place.parent, KEY)


def test_answers_that_are_all_useless_are_an_outcome_but_nothing_usable(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([completion("What a lovely day.")]) as endpoint:
        found = classifier(place, endpoint).resolve(pictures)
    assert len(found) == 12
    assert not found.usable
    assert found.manifest.usage.failed == 6


# ---------------------------------------------------------------- the noun


def test_the_noun_is_asked_once_for_a_run(place: Path, pictures: Path) -> None:
    """Also without a cache, where a second answer might be another."""
    nouns = iter(["bird", "fowl"])

    def answer(request: Received) -> Reply:
        if "noun" not in data_of(request.text):
            return completion(json.dumps({"noun": next(nouns)}))
        return truly(request)

    with FaultyEndpoint([answer]) as endpoint:
        given: dict[str, Any] = {"noun": None, "cache": "off"}
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=4), **given).resolve(pictures)
        assert stopped.manifest.stop_reason == "budget"
        found = classifier(place, endpoint, **given).resolve(pictures, resume=stopped.run.name)
        said = {data_of(request.text).get("noun", "none yet") for request in endpoint.chats}
        assert endpoint.asked == 7
    assert said == {"none yet", "bird"}
    assert found.manifest.usage.requests == 7  # of both parts


def test_without_a_noun_it_goes_on_with_a_plain_one(place: Path, pictures: Path) -> None:
    def answer(request: Received) -> Reply:
        return truly(request) if "noun" in data_of(request.text) else completion("I cannot say.")

    events = Events()
    with FaultyEndpoint([answer]) as endpoint:
        found = classifier(
            place, endpoint, noun=None, progress=events, options=options(noun="object")
        ).resolve(pictures)
        assert {data_of(request.text).get("noun", "object") for request in endpoint.chats} == {"object"}
    assert events.of(NounNotFound)
    assert {p.label for p in found} == set(WORLD.names)


def test_a_run_does_not_begin_without_a_noun_that_another_day_may_bring(place: Path, pictures: Path) -> None:
    """Begun with a plain noun and gone on with another, it would mix answers to two sets of questions."""
    busy = True

    def answer(request: Received) -> Reply:
        if busy and "noun" not in data_of(request.text):
            return error(503, headers=AT_ONCE)
        return truly(request)

    with FaultyEndpoint([answer], models=SAME) as endpoint:
        given: dict[str, Any] = {"noun": None, "options": options(noun="object", max_rounds=0)}
        with pytest.raises(QuestionFailed, match="503"):
            classifier(place, endpoint, **given).resolve(pictures)
        assert not list(place.iterdir())  # a start that failed leaves nothing to go on with
        with pytest.raises(LimitReached):
            classifier(place, endpoint, limits=UsageLimits(max_calls=0), **given).resolve(pictures)
        (folder,) = place.iterdir()
        busy = False
        found = classifier(place, endpoint, **given).resolve(pictures, resume=folder.name)
        said = [data_of(request.text).get("noun", "none yet") for request in endpoint.chats]
    assert set(said) == {"none yet", "bird"}
    assert found.manifest.stop_reason == "max_rounds"
    assert found.manifest.notes == ()


def test_all_classes_have_a_say_in_the_noun_and_the_estimate_asks_the_same(
    place: Path, pictures: Path
) -> None:
    names = [f"bird {number:03}" for number in range(150)]

    def answer(request: Received) -> Reply:
        return completion('{"noun": "bird"}')

    with FaultyEndpoint([answer], models=SAME) as endpoint:
        given: dict[str, Any] = {"classes": names, "noun": None, "options": options(start="names")}
        asking = classifier(place, endpoint, limits=UsageLimits(max_calls=1), **given)
        assert asking.estimate(pictures).noun is None
        asking.resolve(pictures)
        (request,) = endpoint.chats
        assert asking.estimate(pictures).noun == "bird"
    shown = data_of(request.text)["classes"]
    assert names[0] in shown
    assert set(names[140:]) & set(shown)


def test_a_useless_noun_is_settled_and_noted(place: Path, pictures: Path) -> None:
    def answer(request: Received) -> Reply:
        return truly(request) if "noun" in data_of(request.text) else completion("I cannot say.")

    with FaultyEndpoint([answer]) as endpoint:
        given: dict[str, Any] = {"noun": None, "options": options(noun="object", max_rounds=0)}
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=5), **given).resolve(pictures)
        found = classifier(place, endpoint, **given).resolve(pictures, resume=stopped.run.name)
        assert sum("noun" not in data_of(request.text) for request in endpoint.chats) == 3  # of one question
    assert ["'object' was taken" in note for note in found.manifest.notes] == [True]


def test_an_endpoint_that_answers_nobody_is_told_at_the_noun(place: Path, pictures: Path) -> None:
    events = Events()
    with FaultyEndpoint([error(401, "no")], models=SAME) as endpoint:
        with pytest.raises(EndpointError, match=r"It says: no\. Set OPENAI_API_KEY"):
            classifier(place, endpoint, noun=None, progress=events).resolve(pictures)
        assert endpoint.asked == 1
    assert not events.of(NounNotFound) and not events.of(StepFailed)


def test_no_model_named_says_what_to_give(place: Path, pictures: Path) -> None:
    with pytest.raises(SettingsError, match="No language model is named"):
        classifier(place, "http://127.0.0.1:9/v1", llm=None).resolve(pictures)


async def test_resolve_in_a_running_loop_names_the_other_way(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        sync = classifier(place, endpoint)
        with pytest.raises(InputError, match="aresolve"):
            sync.resolve(pictures)
        with pytest.raises(InputError, match="aestimate"):
            sync.estimate(pictures)
        assert (await sync.aestimate(pictures)).first_look.to_ask == 6
        found = await sync.aresolve(pictures)
    assert isinstance(found, Resolution)


def test_two_runs_at_once_share_one_home(place: Path, pictures: Path) -> None:
    import asyncio

    async def both(endpoint: FaultyEndpoint) -> list[Resolution]:
        runs = [classifier(place, endpoint, options=options()) for _ in range(2)]
        return list(await asyncio.gather(*(each.aresolve(pictures) for each in runs)))

    with FaultyEndpoint([truly], models=SAME) as endpoint:
        one, other = run_to_end(both(endpoint))
    assert one.run != other.run
    assert one.predictions == other.predictions
    with sqlite3.connect(one.run / "checkpoint.sqlite") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
