"""One form for each base URL, and what the probe finds out about an endpoint."""

import asyncio
import socket
from typing import Any

import pytest

from fieldmark.errors import SettingsError
from fieldmark.tools.llm.address import normal_url
from fieldmark.tools.llm.probe import EndpointReport, probe_endpoint
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, accepting, completion, error, web_page
from tests.unit.tools.llm.llm_cases import KEY, chat

BIRD = '{"bird": "crow", "number_of_legs": 2}'


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("  HTTPS://API.OpenAI.com:443/v1//", "https://api.openai.com/v1"),
        ("http://Host:80", "http://host"),
        ("http://user:hunter2@host:81/v1?key=hunter2#x", "http://host:81/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://host/Path/V1", "https://host/Path/V1"),
    ],
)
def test_equal_urls_have_one_form(url: str, normal: str) -> None:
    assert normal_url(url) == normal


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://host:99999/v1", "http://[/"]
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        normal_url(url)
    with pytest.raises(SettingsError):
        chat(url)


async def report_on(*script: Any, **options: Any) -> tuple[EndpointReport, FaultyEndpoint]:
    with FaultyEndpoint(list(script), **options) as endpoint:
        async with chat(endpoint) as model:
            report = await probe_endpoint(model, timeout_s=1.0)
            assert model.usage.requests == 0
    assert KEY not in repr(report) + "".join(report.lines())
    return report, endpoint


def sees(request: Received) -> Reply:
    with_picture = isinstance(request.body["messages"][0]["content"], list)
    return completion('{"colour": "Red."}' if with_picture else BIRD)


async def test_an_endpoint_that_can_do_everything() -> None:
    report, endpoint = await report_on(sees)
    assert (report.reachable, report.answers, report.model_listed, report.problem) == (True, True, True, "")
    assert (report.json_schema, report.json_object, report.images) == ("yes", "yes", "yes")
    assert report.latency_s is not None
    assert endpoint.asked == 3
    assert "keeps to a JSON schema: yes" in report.lines()


async def test_an_endpoint_with_json_mode_only() -> None:
    def answer(request: Received) -> Reply:
        if isinstance(request.body["messages"][0]["content"], list):
            return error(400, "image input is not supported")
        return completion(BIRD)

    report, _ = await report_on(accepting(["json_object", "text"], answer), models=[{"id": "other"}])
    assert (report.json_schema, report.json_object, report.images) == ("no", "yes", "no")
    assert (report.model_listed, report.answers, report.problem) == (False, True, "")
    assert "model listed: no, it lists other" in report.lines()


async def test_an_endpoint_that_ignores_formats_and_pictures() -> None:
    report, _ = await report_on(completion("I like birds."), models=error(404))
    assert (report.json_schema, report.json_object, report.images) == ("no", "no", "unclear")
    assert (report.reachable, report.answers, report.served) == (True, True, None)


async def test_a_model_with_other_parameters_is_probed_in_its_own_words() -> None:
    def answer(request: Received) -> Reply:
        if "max_tokens" in request.body:
            return error(400, "Unsupported parameter: use 'max_completion_tokens' instead.")
        return (
            error(400, "Unsupported value: temperature") if "temperature" in request.body else sees(request)
        )

    report, endpoint = await report_on(answer)
    assert (report.json_schema, report.json_object, report.images) == ("yes", "yes", "yes")
    assert endpoint.asked == 5


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (error(401, f"Incorrect API key: {KEY}"), "does not accept the API key"),
        (error(404, "no such model"), "is not there"),
        (error(500, "out of memory"), "HTTP 500"),
        (web_page(), "web page"),
        (completion(BIRD, delay_s=20), "no complete answer within 1 s"),
        (Reply(hang_up=True), "broke"),
    ],
)
async def test_a_bad_endpoint_is_a_report_and_soon(reply: Reply, words: str) -> None:
    async with asyncio.timeout(30):
        report, endpoint = await report_on(reply)
    assert words in report.problem
    assert report.reachable
    assert not report.answers
    assert endpoint.asked == 1
    assert report.lines()[-1].startswith("problem: ")
    assert report.fix and "resume" not in report.fix


async def test_a_model_that_is_not_there_is_told_with_the_nearest_one() -> None:
    report, _ = await report_on(error(404, "no such model"), models=[{"id": "rook-7b"}, {"id": "m-7b"}])
    assert "It serves: rook-7b, m-7b." in report.fix


def redirect(url: str, status: int = 307) -> Reply:
    return Reply(status, b"", {"location": url})


async def test_an_endpoint_that_redirects_is_told_to_redirect() -> None:
    nowhere = "http://127.0.0.1:9/v1"
    report, endpoint = await report_on(redirect(f"{nowhere}/chat/completions?key=hunter2"))
    assert f"at {endpoint.base_url} redirects to {nowhere}, and there is no connection" in report.problem
    assert "OPENAI_BASE_URL" in report.fix and "Start" not in report.fix
    with FaultyEndpoint() as other:
        page = other.base_url.removesuffix("/v1") + "/welcome"
        report, _ = await report_on(redirect(page, 302))
    assert f"HTTP 404). It says: no such page (it redirects to {page})" in report.problem
    report, _ = await report_on(redirect("ftp://elsewhere/v1"))
    assert "redirects to ftp://elsewhere, and there is no connection" in report.problem
    report, endpoint = await report_on(lambda request: redirect(request.path))
    assert "redirects in a circle" in report.problem


async def test_blanks_around_a_base_url_do_no_harm() -> None:
    with FaultyEndpoint([sees]) as endpoint:
        async with chat(f"  {endpoint.base_url}\n") as model:
            assert model.endpoint.url == endpoint.base_url
            assert (await probe_endpoint(model)).answers


async def test_what_an_endpoint_complains_of_is_one_printable_line() -> None:
    report, _ = await report_on(error(400, "no\x1b[31m\nred\x1b]0;title\x07 models"))
    assert "It says: no\ufffd[31m red\ufffd]0;title\ufffd models" in report.problem


async def test_an_endpoint_that_is_down_is_a_report() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    async with chat(url) as model:
        report = await probe_endpoint(model)
    assert not report.reachable
    assert report.json_schema == "unclear"
    assert "No connection" in report.lines()[-1]


async def test_a_proxy_is_used_for_endpoints_elsewhere_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FaultyEndpoint(models=error(418)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        async with chat("http://model.invalid/v1") as model:
            await model.endpoint.models()
        assert [request.path for request in proxy.received] == ["http://model.invalid/v1/models"]
        with FaultyEndpoint() as endpoint:
            async with chat(endpoint) as model:
                assert await model.endpoint.models() is not None
        assert len(proxy.received) == 1


LONG = "and on " * 100


@pytest.mark.parametrize(
    ("reply", "outcome", "said", "fix"),
    [
        (completion(LONG, finish_reason="length"), "cut off", LONG[:200], "FIELDMARK_ANSWER_TOKENS"),
        (completion(None, thoughts=LONG), "thought and said nothing", LONG[:200], "FIELDMARK_EFFORT"),
        (
            completion(f"<think>{LONG}"),
            "thought and said nothing",
            f"<think>{LONG}"[:200],
            "FIELDMARK_EFFORT",
        ),
        (completion(""), "no answer", "", "server's log"),
        (completion(BIRD, finish_reason="error"), "no answer", BIRD, "server's log"),
    ],
)
async def test_what_came_instead_of_an_answer_is_told_apart(
    reply: Reply, outcome: str, said: str, fix: str
) -> None:
    report, _ = await report_on(reply)
    assert (report.outcome, report.said, report.answers) == (outcome, said, False)
    assert report.problem
    assert fix in report.fix
    assert any(line.startswith(f"outcome: {outcome}") for line in report.lines())


async def test_text_that_is_not_what_was_asked_for_is_shown() -> None:
    report, _ = await report_on(completion("I like\nbirds."))
    assert (report.outcome, report.said, report.answers) == ("off schema", "I like birds.", True)


async def test_a_model_that_thinks_is_probed_with_room() -> None:
    def answer(request: Received) -> Reply:
        return sees(request) if request.body["max_tokens"] > 2000 else completion("", finish_reason="length")

    report, endpoint = await report_on(answer)
    assert (report.json_schema, report.images, report.outcome) == ("yes", "yes", "answered")
    assert endpoint.asked == 4


async def test_an_endpoint_that_knows_plain_text_alone_answers() -> None:
    report, _ = await report_on(accepting(["text"], completion(f"Well: {BIRD}"), message="Bad Request"))
    assert (report.answers, report.json_schema, report.json_object) == (True, "no", "no")
