import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import BadRequestError, OpenAI

from fieldmark.aviary.guide.guide import MODEL_NAME, Guide
from fieldmark.aviary.guide.server import MOST_BYTES, GuideServer
from fieldmark.aviary.world.species import species_book
from fieldmark.errors import ServerError
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.differentiate import ask_differentiate

BOOK = species_book(1, 12, 3)
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def server():
    with GuideServer(Guide(BOOK)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=10) as opened:
        yield opened


def chat_messages(question):
    return [{"role": m.role, "content": m.content} for m in question.messages]


def send(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def request_body(**changes):
    question = ask_describe(BOOK[0].name, noun="bird")
    return {"model": MODEL_NAME, "messages": chat_messages(question), **changes}


def formats(schema):
    return {
        "json_schema": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
        "json_object": {"type": "json_object"},
        "text": {"type": "text"},
    }


@pytest.mark.parametrize("kind", ["json_schema", "json_object", "text", None])
def test_the_real_client_gets_the_same_answer_in_every_format(server, client, kind):
    question = ask_differentiate(BOOK[0].name, BOOK[1].name, noun="bird", sample=2)
    schema = question.answer_model.model_json_schema()
    extra = {} if kind is None else {"response_format": formats(schema)[kind]}
    completion = client.chat.completions.create(
        model=server.model,
        messages=chat_messages(question),
        seed=2,
        temperature=0.7,
        max_tokens=1000,
        **extra,
    )
    text = completion.choices[0].message.content
    assert text == server.guide.answer(question.messages, schema, 2)
    question.answer_model.model_validate_json(text)
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == completion.system_fingerprint == "aviary-guide (scripted)"
    prompt_bytes = sum(len(m.content.encode()) for m in question.messages)
    assert completion.usage.prompt_tokens == pytest.approx(prompt_bytes / 4, abs=2)
    assert completion.usage.completion_tokens == pytest.approx(len(text.encode()) / 4, abs=1)


def test_its_entry_in_the_list_of_models_names_the_world(server, client):
    (entry,) = client.models.list().data
    assert entry.id == MODEL_NAME
    assert entry.fieldmark_identity == server.guide.identity


def test_health(server):
    assert send(server, "GET", "/health") == (200, {"status": "ok"})


def test_a_short_limit_truncates(client, server):
    completion = client.chat.completions.create(**request_body(max_tokens=5))
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 5
    assert len(completion.choices[0].message.content) == 20


def test_a_question_it_does_not_know_is_the_clients_error(client):
    with pytest.raises(BadRequestError, match="does not understand"):
        client.chat.completions.create(model=MODEL_NAME, messages=[{"role": "user", "content": "Hello"}])
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    with pytest.raises(BadRequestError, match="nothing but text"):
        client.chat.completions.create(model=MODEL_NAME, messages=[{"role": "user", "content": [image]}])


def test_text_parts_are_read(client, server):
    question = ask_describe(BOOK[0].name, noun="bird")
    parts = [{"type": "text", "text": question.messages[1].content}]
    completion = client.chat.completions.create(
        model=MODEL_NAME, messages=[{"role": "user", "content": parts}]
    )
    assert completion.choices[0].message.content == server.guide.answer(question.messages)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"\xff\xfe", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        ({}, 404),
        (request_body(model="gpt"), 404),
        (request_body(messages=[]), 400),
        (request_body(messages="hi"), 400),
        (request_body(messages=[3]), 400),
        (request_body(messages=[{"role": "robot", "content": "x"}]), 400),
        (request_body(messages=[{"role": ["user"], "content": "x"}]), 400),
        (request_body(messages=[{"role": "user", "content": None}]), 400),
        (request_body(messages=[{"role": "user", "content": [{"type": "text", "text": 3}]}]), 400),
        (request_body(messages=[{"role": "user", "content": "\ud800"}]), 400),
        (request_body(stream=True), 400),
        (request_body(n=2), 400),
        (request_body(seed="x"), 400),
        (request_body(max_tokens=0), 400),
        (request_body(max_completion_tokens=True), 400),
        (request_body(response_format="json"), 400),
        (request_body(response_format={"type": "xml"}), 400),
        (request_body(response_format={"type": "json_schema"}), 400),
        (request_body(response_format={"type": "json_schema", "json_schema": {"schema": {}}}), 400),
    ],
)
def test_malformed_requests_get_json_errors(server, body, status):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    got, value = send(server, "POST", CHAT, sent)
    assert got == status
    assert value["error"]["message"] and value["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("POST", "/v1/completions", {"Content-Length": "0"}, 404),
        ("DELETE", CHAT, {}, 501),
        ("POST", CHAT, {"Content-Length": "-5"}, 411),
        ("POST", CHAT, {"Content-Length": str(MOST_BYTES + 1)}, 413),
        ("POST", CHAT, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_other_requests_get_json_errors_too(server, method, path, headers, status):
    got, value = send(server, method, path, headers=headers)
    assert got == status and value["error"]["message"]


def test_a_connection_goes_on_after_an_error(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(2):
        connection.request("POST", CHAT, body=b"not json")
        assert connection.getresponse().read()
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status": "ok"}'
    connection.close()


def test_many_at_a_time_get_their_own_answers(server):
    questions = [ask_describe(s.name, noun="bird", sample=i) for s in BOOK for i in range(4)]

    def answered(question):
        body = {"model": MODEL_NAME, "messages": chat_messages(question), "seed": question.sample}
        status, value = send(server, "POST", CHAT, json.dumps(body).encode())
        return status, value["choices"][0]["message"]["content"]

    before = server.questions_answered
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(answered, questions))
    assert got == [(200, server.guide.answer(q.messages, None, q.sample)) for q in questions]
    assert server.questions_answered == before + len(questions)


def test_after_leaving_nothing_answers_any_more():
    with GuideServer(Guide(BOOK)) as running:
        port = running.port
        open_connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        open_connection.request("GET", "/health")
        open_connection.getresponse().read()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        open_connection.request("GET", "/health")
        open_connection.getresponse()
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=10).connect()
    with pytest.raises(ServerError, match="not running"):
        _ = running.base_url
    # The same port can be taken again at once, e.g. after a restart.
    with GuideServer(Guide(BOOK), port=port) as again:
        assert again.port == port
        with pytest.raises(ServerError, match="cannot listen"), GuideServer(Guide(BOOK), port=port):
            pass
