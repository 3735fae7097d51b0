"""Who may ask: this machine's own browser, or whoever has the token; never another page."""

import threading
from types import MappingProxyType

import anyio
import pytest
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect

from photoflow.studio import app, guards
from photoflow.studio.refusal import Refusal

HOST = "127.0.0.1:8425"


def asked(server, host=HOST, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.post("/api/works/none/edits", headers={"Host": host, **names}, json={})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8425", "127.0.0.1:80", "127.0.0.1", "localhost:8425x", ""]
)
def test_another_name_of_this_machine_is_refused(server, host):
    answer = server.get("/api/motions", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json() == {"error": "host: expected the address that the studio printed"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1:8425.evil.example"}, {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"}, {"Origin": f"http://{HOST}", "Sec_Fetch_Site": "cross-site"},
    ],
)  # fmt: skip
def test_another_page_changes_nothing(server, headers):
    answer = asked(server, **headers)
    assert answer.status_code == 403 and answer.json()["error"].startswith("origin: ")


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": f"http://{HOST}", "Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}]
)
def test_the_own_page_and_no_page_may(server, headers):
    assert asked(server, **headers).status_code == 404  # there is no such work


def test_every_answer_says_how_it_may_be_used(server):
    for answer in (server.get("/"), server.get("/nothing"), server.get("/", headers={"Host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def remote(animator):
    """A studio that asks for a token."""
    made = app.create_app(animator, (), TOKEN)
    with TestClient(made, base_url="http://192.0.2.7:8425", follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", f"/api/motions?token={TOKEN}", "/web/studio.js"])
def test_without_the_token_nothing_is_served(remote, path):
    answer = remote.get(path)
    assert answer.status_code == 403 and answer.json()["error"].startswith("token: ")
    assert "set-cookie" not in answer.headers


def test_the_token_is_asked_for_once(remote):
    answer = remote.get(f"/?token={TOKEN}&work=one%26two")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?work=one%26two")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert remote.get("/").status_code == 200
    assert remote.get("/api/motions").status_code == 200
    assert remote.post("/api/works/x/edits", json={}, headers={"Origin": "http://192.0.2.7:8425"}).status_code == 404
    assert remote.post("/api/works/x/edits", json={}, headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("value", ["wrong", "", TOKEN[:-1], "\xe9"])
def test_a_wrong_cookie_is_refused(remote, value):
    cookie = f"{guards.COOKIE}={value}".encode("latin-1")
    assert remote.get("/", headers={"Cookie": cookie}).status_code == 403


def test_tokens_are_long_and_different():
    assert len({guards.new_token() for _ in range(100)}) == 100
    assert len(guards.new_token()) >= 32


class SlowRequest:
    """A request whose body never comes."""

    headers = MappingProxyType({})

    async def stream(self):
        yield b"a"
        await anyio.sleep(60)


def test_a_slow_upload_ends(monkeypatch):
    monkeypatch.setattr(guards, "PATIENCE", 0.05)
    with pytest.raises(Refusal) as refusal:
        anyio.run(guards.Uploads().read, SlowRequest(), 1000)
    assert refusal.value.status == 408


def test_an_upload_that_breaks_off_is_no_error_of_the_studio():
    class Broken(SlowRequest):
        async def stream(self):
            yield b"a"
            raise ClientDisconnect

    with pytest.raises(Refusal, match="ended in the middle"):
        anyio.run(guards.Uploads().read, Broken(), 1000)


def test_slow_uploads_do_not_hold_up_all_others(monkeypatch):
    monkeypatch.setattr(guards, "MOST_UPLOADS", 2)
    monkeypatch.setattr(guards, "PATIENCE", 0.2)
    statuses = []

    async def one(uploads):
        try:
            await uploads.read(SlowRequest(), 1000)
        except Refusal as refusal:
            statuses.append(refusal.status)

    async def all_():
        uploads = guards.Uploads()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one, uploads)

    anyio.run(all_)
    assert statuses == [503, 408, 408]


def test_works_take_turns_and_few_of_one_wait():
    begun, ended = [], threading.Event()

    def act(name):
        def wait():
            begun.append(name)
            assert ended.wait(10)

        return wait

    async def all_():
        turns = guards.Turns(2, 2)
        async with anyio.create_task_group() as tasks:
            for name in ("a", "a", "b"):
                tasks.start_soon(turns.take, name, act(name))
            await anyio.sleep(0.2)
            assert sorted(begun) == ["a", "b"]  # the second of a waits for the first, and b does not
            with pytest.raises(Refusal, match="too much is asked for"):
                await turns.take("a", act("a"))
            ended.set()
        assert not turns._locks  # nothing is left of works that are gone

    anyio.run(all_)
    assert sorted(begun) == ["a", "a", "b"]
