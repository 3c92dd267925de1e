"""What must not be possible, each point attacked."""

import logging
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from fieldmark.errors import InputError
from fieldmark.studio.access import Access, read_key
from fieldmark.studio.guard import COOKIE, MOST_BYTES
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.studio.studio_runs import CLASSES, FORM, desk_for, form_token, made_run, visitor

TOKEN = "a-token-that-is-long-enough"
ELSEWHERE = "http://192.0.2.7:8765"
REFUSED = (400, 403, 404, 405, 413, 421)


def image_of(run: RunFolder) -> str:
    return next(run.read_predictions()).image_hash


def nothing_was_said(run: RunFolder) -> bool:
    return not (run.path / "labels.csv").exists()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.0.2.7:8765",
        "0.0.0.0:8765",
        "127.0.0.1:x",
        "[::1",
        "",
        "127.0.0.1@evil.example",
        "evil.example@evil.example",
    ],
)
def test_a_foreign_host_is_refused(client: TestClient, run: RunFolder, host: str) -> None:
    for path in ("/", f"/runs/{run.run_id}", "/static/keys.js"):
        assert client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:9000", "LOCALHOST", "[::1]:8765", "127.0.0.2"])
def test_names_of_this_machine_are_known(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:3000",
        "http://localhost:8765",
        "http://127.0.0.1:8765.evil.example",
        "file://127.0.0.1:8765",
        "http://",
        "http://[",
        "http://evil.example@127.0.0.1:8765",
    ],
)
def test_a_foreign_origin_is_refused(client: TestClient, run: RunFolder, origin: str) -> None:
    image = image_of(run)
    page = client.get(f"/runs/{run.run_id}/images/{image}").text
    said = {"form_token": form_token(page), "label": CLASSES[0]}
    answer = client.post(f"/runs/{run.run_id}/images/{image}", data=said, headers={"origin": origin})
    assert answer.status_code == 403
    assert client.get("/", headers={"origin": origin}).status_code == 403
    assert nothing_was_said(run)


def test_a_form_that_does_not_say_where_it_comes_from_is_refused(client: TestClient, run: RunFolder) -> None:
    image = image_of(run)
    page = client.get(f"/runs/{run.run_id}/images/{image}").text
    said = {"form_token": form_token(page), "label": CLASSES[0]}
    assert client.post(f"/runs/{run.run_id}/images/{image}", data=said).status_code == 403
    for site in ("cross-site", "same-site", "none"):
        headers = {"sec-fetch-site": site}
        assert (
            client.post(f"/runs/{run.run_id}/images/{image}", data=said, headers=headers).status_code == 403
        )
    assert nothing_was_said(run)


def test_a_picture_is_not_given_to_a_page_elsewhere(client: TestClient, run: RunFolder) -> None:
    there = f"/runs/{run.run_id}/pictures/small/{image_of(run)}"
    assert (
        client.get(there, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status_code
        == 403
    )
    answer = client.get(there)
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é", "x" * 5000])
def test_a_form_without_the_sessions_token_changes_nothing(
    client: TestClient, run: RunFolder, token: str | None
) -> None:
    client.get("/")
    image = image_of(run)
    said = {"label": CLASSES[0], **({} if token is None else {"form_token": token})}
    for path in (f"/runs/{run.run_id}/images/{image}", f"/runs/{run.run_id}/scoring"):
        assert client.post(path, data=said, headers=FORM).status_code in (400, 403)
    assert nothing_was_said(run)


def test_a_token_of_another_session_changes_nothing(run: RunFolder, tmp_path: Path) -> None:
    desk = desk_for(tmp_path)
    mine, theirs = visitor(desk), visitor(desk)
    image = image_of(run)
    theirs.get("/")
    token = form_token(mine.get(f"/runs/{run.run_id}/images/{image}").text)
    said = {"form_token": token, "label": CLASSES[0]}
    assert theirs.post(f"/runs/{run.run_id}/images/{image}", data=said, headers=FORM).status_code == 403
    forged = visitor(desk)
    forged.cookies.set(COOKIE, "mine.0000")
    assert forged.post(f"/runs/{run.run_id}/images/{image}", data=said, headers=FORM).status_code == 403
    assert nothing_was_said(run)


def test_only_forms_change_anything(client: TestClient, run: RunFolder) -> None:
    image = image_of(run)
    token = form_token(client.get(f"/runs/{run.run_id}/images/{image}").text)
    said = {"form_token": token, "label": CLASSES[0]}
    client.get(f"/runs/{run.run_id}/images/{image}", params=said)
    client.get(f"/runs/{run.run_id}/scoring", params=said)
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
        assert client.request(method, f"/runs/{run.run_id}/images/{image}", headers=FORM).status_code == 405
    assert nothing_was_said(run)


def test_every_address_that_takes_a_form_asks_for_its_token(run: RunFolder, tmp_path: Path) -> None:
    app = visitor(desk_for(tmp_path)).app._app  # type: ignore[attr-defined]
    posts = [route for route in routes_of(app.routes) if "POST" in (route.methods or ())]
    assert {"/enter", "/runs/{run_id}/images/{image_hash}"} < {route.path for route in posts}
    for route in posts:
        if route.path != "/enter":  # a visitor who enters has no session yet
            names = [each.call.__name__ for each in route.dependant.dependencies]  # type: ignore[attr-defined]
            assert names == ["checked_form"], route.path


def routes_of(routes: list) -> Iterator[Route]:
    for each in routes:
        if isinstance(each, Route):
            yield each
        elif hasattr(each, "original_router"):
            yield from routes_of(each.original_router.routes)
        elif hasattr(each, "routes"):
            yield from routes_of(each.routes)


@pytest.mark.parametrize(
    "where",
    [
        "../../secret.txt",
        "..%2f..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "..\\..\\secret.txt",
        "/etc/passwd",
        "%00",
        "secret.txt",
        "a" * 63,
        "a" * 64,
        "A" * 64,
        "g" * 64,
        "aa/" + "a" * 64,
        "." * 64,
    ],
)
def test_no_path_leads_out_of_a_run(client: TestClient, run: RunFolder, tmp_path: Path, where: str) -> None:
    (tmp_path / "secret.txt").write_text("a secret", encoding="utf-8")
    for before in (
        "/runs/",
        f"/runs/{run.run_id}/",
        f"/runs/{run.run_id}/pictures/small/",
        f"/runs/{run.run_id}/images/",
        f"/runs/{run.run_id}/pictures/",
        "/static/",
    ):
        for path in (before + where, before + quote(where, safe="")):
            answer = client.get(path)
            assert answer.status_code in REFUSED, path
            assert "a secret" not in answer.text


def test_a_picture_of_another_run_is_not_given(client: TestClient, run: RunFolder, tmp_path: Path) -> None:
    other = made_run(tmp_path / "runs", tmp_path / "other", count=12)
    theirs = list(other.read_predictions())[-1].image_hash
    assert client.get(f"/runs/{run.run_id}/pictures/small/{theirs}").status_code == 404
    assert client.get(f"/runs/{other.run_id}/pictures/small/{theirs}").status_code == 200


def test_a_record_cannot_name_a_file_that_is_no_picture(run: RunFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret", encoding="utf-8")
    first, *others = run.read_predictions()
    run.write_predictions([first.model_copy(update={"image": str(secret)}), *others])
    answer = visitor(desk_for(tmp_path)).get(f"/runs/{run.run_id}/pictures/small/{first.image_hash}")
    assert answer.status_code == 404
    assert "a secret" not in answer.text


def test_a_run_named_by_a_path_is_none(tmp_path: Path) -> None:
    made_run(tmp_path / "elsewhere", tmp_path / "pictures")
    (tmp_path / "runs").mkdir()
    (elsewhere,) = (tmp_path / "elsewhere").iterdir()
    client = visitor(desk_for(tmp_path))
    for name in (str(elsewhere), f"../elsewhere/{elsewhere.name}", "latest", "...", "..;"):
        assert client.get(f"/runs/{quote(name, safe='')}").status_code == 404


def test_a_huge_body_is_refused(client: TestClient, run: RunFolder) -> None:
    image = image_of(run)
    token = form_token(client.get(f"/runs/{run.run_id}/images/{image}").text)
    there = f"/runs/{run.run_id}/images/{image}"
    huge = {"form_token": token, "label": "x" * (MOST_BYTES + 1)}
    assert client.post(there, data=huge, headers=FORM).status_code == 413
    form = {**FORM, "content-type": "application/x-www-form-urlencoded"}

    def drop_by_drop() -> Iterator[bytes]:  # no length is said beforehand
        yield f"form_token={token}&label=".encode()
        for _ in range(80):
            yield b"x" * 1024

    assert client.post(there, content=drop_by_drop(), headers=form).status_code in (400, 413)
    for length in ("-1", "9" * 400, "1e3"):
        assert client.post(there, content=b"", headers={**form, "content-length": length}).status_code == 413
    uploaded = client.post(
        there, files={"label": ("a.png", b"x" * 1000)}, data={"form_token": token}, headers=FORM
    )
    assert uploaded.status_code in REFUSED
    assert nothing_was_said(run)


def test_another_host_needs_a_token() -> None:
    for host in ("0.0.0.0", "192.0.2.7", "::", "studio.example"):
        with pytest.raises(InputError, match="a token is needed"):
            Access(key=b"k", host=host)
    with pytest.raises(InputError, match="too short"):
        Access(key=b"k", host="0.0.0.0", token="short")
    with pytest.raises(InputError, match="cannot hold"):
        Access(key=b"k", token="ünsichtbar und lang genug")


def test_nothing_is_shown_before_the_token_is(run: RunFolder, tmp_path: Path) -> None:
    client = visitor(desk_for(tmp_path, host="0.0.0.0", token=TOKEN), ELSEWHERE)
    picture = f"/runs/{run.run_id}/pictures/small/{image_of(run)}"
    for path in ("/", f"/runs/{run.run_id}", picture, f"/runs/{run.run_id}/predictions.csv", "/enterprise/"):
        answer = client.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers.get("location")) in ((303, "/enter"), (404, None))
        assert run.run_id not in answer.text
    for wrong in ("x", TOKEN + "x", TOKEN.upper()):
        answer = client.post("/enter", data={"token": wrong}, headers={"origin": ELSEWHERE})
        assert answer.status_code == 403
        assert client.get("/", follow_redirects=False).status_code == 303
    client.cookies.set(COOKIE, Access(key=b"other", host="0.0.0.0", token=TOKEN).new_session())
    assert client.get("/", follow_redirects=False).status_code == 303
    client.cookies.clear()
    entered = client.post(
        "/enter", data={"token": TOKEN}, headers={"origin": ELSEWHERE}, follow_redirects=False
    )
    kept = entered.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=Strict" in kept
    assert TOKEN not in kept
    assert run.run_id in client.get("/").text


def test_a_link_with_the_token_lets_in_and_the_address_forgets_it(run: RunFolder, tmp_path: Path) -> None:
    client = visitor(desk_for(tmp_path, token=TOKEN))
    answer = client.get(f"/enter?token={TOKEN}")
    assert answer.status_code == 200
    assert TOKEN not in str(answer.url)
    assert TOKEN not in answer.text


def test_another_host_knows_addresses_and_no_foreign_names(run: RunFolder, tmp_path: Path) -> None:
    client = visitor(desk_for(tmp_path, host="0.0.0.0", token=TOKEN), ELSEWHERE)
    assert client.get("/enter").status_code == 200
    assert client.get("/enter", headers={"host": "evil.example"}).status_code == 403


def test_no_secret_stands_in_a_page_or_a_log(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    caplog.set_level(logging.DEBUG)
    desk = desk_for(tmp_path, token=TOKEN)
    client = visitor(desk)
    client.get(f"/enter?token={TOKEN}")
    seen = ""
    for path in (
        "/",
        f"/runs/{run.run_id}",
        f"/runs/{run.run_id}/asked",
        f"/runs/{run.run_id}/images/{image_of(run)}",
        f"/runs/{run.run_id}/labels.csv",
        "/none",
    ):
        answer = client.get(path)
        seen += answer.text + str(answer.headers)
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("fieldmark"))
    for secret in ("sk-very-secret", TOKEN, desk.access.key.decode()):
        assert secret not in seen
        assert secret not in ours
        assert secret not in repr(desk)


def test_the_key_is_the_owners_and_stays(tmp_path: Path) -> None:
    key = read_key(tmp_path / "studio")
    assert len(key) == 32
    assert read_key(tmp_path / "studio") == key
    assert stat.S_IMODE((tmp_path / "studio" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "studio").stat().st_mode) == 0o700
    session = Access(key=key).new_session()
    assert Access(key=key).is_session(session)
    assert not Access(key=key, token=TOKEN).is_session(session)


def test_no_web_socket_is_opened(client: TestClient) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


def test_there_is_no_page_about_the_interface(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("theirs", ['other={"a":1}', "other=a b c", "=", "x"])
def test_cookies_of_other_programs_on_this_machine_spoil_no_session(
    client: TestClient, run: RunFolder, theirs: str
) -> None:
    client.get("/")
    image, session = image_of(run), client.cookies[COOKIE]
    client.cookies.clear()
    cookie = {"cookie": f"{theirs}; {COOKIE}={session}"}
    page = client.get(f"/runs/{run.run_id}/images/{image}", headers=cookie)
    assert "set-cookie" not in page.headers
    said = client.post(
        f"/runs/{run.run_id}/images/{image}",
        data={"form_token": form_token(page.text), "answer": "cannot tell"},
        headers=FORM | cookie,
        follow_redirects=False,
    )
    assert said.status_code == 303


def test_one_run_that_cannot_be_read_leaves_the_others_on_the_page(
    client: TestClient, run: RunFolder
) -> None:
    ask = run.path / "ask.csv"
    ask.write_text(ask.read_text(encoding="utf-8").replace("|", ",", 1), encoding="utf-8")
    assert client.get("/").status_code == 200
    odd = os.fsencode(run.path.parent) + b"/caf\xe9-classify-1"
    shutil.copytree(os.fsencode(run.path), odd)
    assert client.get("/").status_code == 200
