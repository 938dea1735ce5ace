"""The page's files and headers, and what it alone may ask of the server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM, models, sessions
from pestle.errors import DownloadError
from pestle.progress import Progress
from pestle.server import Disk, ModelFile, ServerOptions
from starlette.testclient import TestClient

from tests.unit.models.conftest import caches, hub  # noqa: F401  (fixtures)
from tests.unit.models.hub_stand_in import HubStandIn, Repo
from tests.unit.sessions.models import write

from .serving import Answer, Client
from .test_models import until

Serve = Callable[..., Client]
Make = Callable[..., LLM]

HELLO = [{"role": "user", "content": "Hello!"}]
REPO = "user/model-GGUF"
NAME = f"{REPO}:Q4_0"


class Page:
    """What the page asks, as a browser at the server's own address sends it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.headers = {"origin": client.url}
        self.started = self.ask("start").json
        self.headers["x-pestle-token"] = self.started["token"]

    def ask(self, what: str, **fields: Any) -> Answer:
        return self.client.request("POST", f"/page/api/{what}", fields, self.headers)

    def told(self, what: str, **fields: Any) -> Any:
        answer = self.ask(what, **fields)
        assert answer.status == 200, answer.json
        return answer.json

    def refused(self, what: str, **fields: Any) -> tuple[int, str]:
        answer = self.ask(what, **fields)
        return answer.status, answer.json["error"]["message"]

    def model(self, name: str) -> Any:
        return next(each for each in self.told("state")["models"] if each["name"] == name)


def test_browsers_get_the_page_and_programs_a_word(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm())
    page = client.get("/", accept="text/html,*/*;q=0.8")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (page.headers["vary"], page.headers["cache-control"]) == ("accept", "no-cache")
    for name in re.findall(r'(?:src|href|content)="page/([^"]+)"', page.body.decode()):
        asset = client.get(f"/page/{name}")
        assert asset.status == 200, name
        hashed = re.search(r"-[A-Z0-9]{8}\.", name) is not None
        assert ("immutable" in asset.headers["cache-control"]) == hashed
        assert asset.headers["x-content-type-options"] == "nosniff"
    assert client.get("/").body == b"Pestle is running, and speaks Ollama's API"
    assert client.request("HEAD", "/").status == 200


def test_nothing_but_its_own_files_is_loaded(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm())
    policy = client.get("/", accept="text/html").headers["content-security-policy"]
    sources = dict(each.split(" ", 1) for each in policy.split("; "))
    assert sources.pop("trusted-types") == "dompurify pestle"
    assert sources.pop("require-trusted-types-for") == "'script'"
    assert sources.pop("default-src") == "'none'"
    assert set(sources.values()) == {"'self'", "'none'"}
    assert not re.search(rb"<style|style=|<script(?! type=\"module\" src)|https?:", client.get(
        "/", accept="text/html").body)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["index.html", "nothing.js", "..%2f__init__.py", "%2e%2e/guard.py"]
)
def test_no_other_file(make_llm: Make, serve: Serve, name: str) -> None:
    assert serve(make_llm()).get(f"/page/{name}").status == 404


def test_the_page_comes_without_a_key_and_asks_with_one(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm(), options=ServerOptions(keys={"me": "secret"}))
    assert client.get("/", accept="text/html").status == 200
    assert client.get("/page/icon.svg").status == 200
    assert client.get("/").status == 401
    asked = {"origin": client.url}
    assert client.request("POST", "/page/api/start", {}, asked).status == 401
    asked["authorization"] = "Bearer secret"
    assert client.request("POST", "/page/api/start", {}, asked).status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "page_origin"),
        ({"origin": "https://chat.example.org"}, "page_origin"),
        ({"origin": "null"}, "origin_not_allowed"),
        ({"origin": "http://llm.example.org", "host": "llm.example.org"}, "page_elsewhere"),
        ({"origin": "http://127.0.0.1:1"}, "origin_not_allowed"),
    ],
)
def test_only_its_own_page_may_manage(
    make_llm: Make, serve: Serve, headers: dict[str, str], code: str
) -> None:
    options = ServerOptions(origins=("https://chat.example.org",), hosts=("llm.example.org",))
    client = serve(make_llm(), options=options)
    token = Page(client).started["token"]
    for what in ("start", "state", "unload"):
        given = {**headers, "x-pestle-token": token}
        answer = client.request("POST", f"/page/api/{what}", {"name": "fake"}, given)
        assert (answer.status, answer.json["error"]["code"]) == (403, code)


def test_only_a_browser_on_this_machine_may_manage(make_llm: Make) -> None:
    from pestle.server import create_app

    app = create_app(make_llm())
    for client, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403)):
        with TestClient(app, base_url="http://127.0.0.1:80", client=(client, 5)) as browser:
            asked = browser.post("/page/api/start", json={}, headers={"origin": "http://127.0.0.1"})
            assert asked.status_code == status, asked.text


@pytest.mark.parametrize("token", [None, "", "wrong", "ä"])
def test_only_with_the_token_of_this_start(make_llm: Make, serve: Serve, token: str | None) -> None:
    client = serve(make_llm())
    given = {} if token is None else {"x-pestle-token": token.encode().decode("latin-1")}
    for what in ("state", "load", "unload", "shelf", "plan", "download", "cancel", "sessions",
                 "save-session", "open-session", "remove-session"):  # fmt: skip
        answer = client.request("POST", f"/page/api/{what}", {}, {"origin": client.url, **given})
        assert (answer.status, answer.json["error"]["code"]) == (403, "page_token"), what


def test_none_of_it_is_in_the_description_of_the_api(make_llm: Make, serve: Serve) -> None:
    paths = serve(make_llm()).get("/openapi.json").json["paths"]
    assert "/v1/models" in paths
    assert not [path for path in paths if path.startswith("/page")]


def test_what_the_machine_does(make_llm: Make, serve: Serve) -> None:
    page = Page(serve(make_llm("Good.")))
    assert page.started["adds"] is False
    page.client.post("/v1/chat/completions", {"messages": HELLO})
    state = page.told("state")
    assert state["memory"]["total"] >= state["memory"]["available"] > 0
    assert state["downloads"] == []
    (model,) = state["models"]
    assert (model["name"], model["state"], model["written"]) == ("fake", "ready", 6)
    assert (model["running"], model["waiting"], model["failed"]) == (0, 0, None)
    assert page.told("state")["seconds"] >= state["seconds"]


def test_a_server_without_a_disk_takes_no_further_models(make_llm: Make, serve: Serve) -> None:
    page = Page(serve(make_llm()))
    for what in ("shelf", "plan", "download", "load"):
        status, said = page.refused(what, name="other")
        assert (status, "models that it was started with" in said) == (403, True), what


def test_wrong_fields_are_named(make_llm: Make, serve: Serve) -> None:
    page = Page(serve(make_llm()))
    assert page.refused("load") == (400, "name is missing")
    assert page.refused("unload", name="none")[0] == 404
    assert page.refused("cancel", name="none") == (404, "no download of 'none' has begun")


@pytest.fixture
def disk(caches: Path, hub: HubStandIn, make_llm: Make) -> Disk:  # noqa: F811
    """A disk without models, beside a hub that has one."""
    content = write(caches / "tiny.gguf").read_bytes()
    hub.repos[REPO] = Repo({"model-Q4_0.gguf": content, "model-Q8_0.gguf": b"no GGUF" * 999})

    def open_file(name: str, path: Path) -> ModelFile:
        def load(progress: Progress) -> LLM:
            assert path.read_bytes() == content
            return make_llm(f"I am {name}.")

        return ModelFile(load, len(content), 256)

    return Disk(open_file)


def test_from_nothing_to_an_answer(disk: Disk, serve: Serve, tmp_path: Path) -> None:
    page = Page(serve({}, disk=disk))
    asked = page.client.post("/v1/chat/completions", {"messages": HELLO})
    assert asked.status == 404
    assert asked.json["error"]["message"].startswith("there is no model here yet")
    shelf = page.told("shelf")
    assert (shelf["installed"], bool(shelf["offered"]), shelf["free"] > 0) == ([], True, True)
    plan = page.told("plan", name=NAME)
    size = (tmp_path / "tiny.gguf").stat().st_size
    assert plan["fits"]
    assert plan["lines"][0].startswith(f"Downloads {size / 1e6:.0f} MB; ")
    assert re.match(r"Needs [\d.]+ MB of memory with a context of [\d,]+ tokens", plan["lines"][1])
    page.told("download", name=NAME)
    until(lambda: page.told("state")["downloads"][0]["state"] == "complete")
    (download,) = page.told("state")["downloads"]
    assert (download["done"], download["total"]) == (size, size)
    assert page.told("shelf")["installed"] == [{"name": NAME, "bytes": size, "complete": True}]
    page.told("load", name=NAME)
    until(lambda: page.model(NAME)["state"] == "ready")
    said = page.client.post("/v1/chat/completions", {"messages": HELLO}).json
    assert said["choices"][0]["message"]["content"] == f"I am {NAME}."
    page.told("unload", name=NAME)
    assert page.model(NAME)["state"] == "unloaded"
    assert page.refused("unload", name=NAME)[0] == 409


def test_a_download_that_is_cancelled_goes_on_later(
    disk: Disk, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    halfway, go_on = threading.Event(), threading.Event()
    pull = models.pull

    class Halting:
        """Waits in the middle of a download, until the test lets it go on."""

        def __init__(self, progress: Any) -> None:
            self._progress = progress

        def __getattr__(self, name: str) -> Any:
            return getattr(self._progress, name)

        def advance(self, n: int) -> None:
            halfway.set()
            assert go_on.wait(60)
            self._progress.advance(n)

    def halting(name: str, *, offline: bool, progress: Any) -> Path:
        return pull(name, offline=offline, progress=Halting(progress))

    monkeypatch.setattr(models, "pull", halting)
    page = Page(serve({}, disk=disk))
    page.told("download", name=NAME)
    assert halfway.wait(60)
    page.told("download", name=NAME)  # once more is as good as once
    assert [each["state"] for each in page.told("state")["downloads"]] == ["running"]
    page.told("cancel", name=NAME)
    go_on.set()
    until(lambda: page.told("state")["downloads"][0]["state"] == "cancelled")
    page.told("download", name=NAME)
    until(lambda: page.told("state")["downloads"][0]["state"] == "complete")


def test_what_cannot_be_fetched_is_told(disk: Disk, serve: Serve) -> None:
    page = Page(serve({}, disk=disk))
    assert page.refused("plan", name="user/none")[0] == 404
    plan = page.told("plan", name=f"{REPO}:Q8_0")
    assert (plan["fits"], plan["lines"][0].partition(":")[0]) == (False, "It does not run here")
    assert page.refused("plan", name="what is this")[0] == 404
    page.told("download", name="user/none")
    until(lambda: page.told("state")["downloads"][0]["state"] == "failed")
    assert "user/none" in page.told("state")["downloads"][0]["error"]
    assert page.refused("load", name="../../etc/passwd")[0] == 404


def test_offline_nothing_is_fetched(disk: Disk, hub: HubStandIn, serve: Serve) -> None:  # noqa: F811
    page = Page(serve({}, disk=Disk(disk.open, offline=True)))
    assert "network is off" in page.refused("plan", name=NAME)[1]
    page.told("download", name=NAME)
    until(lambda: page.told("state")["downloads"][0]["state"] == "failed")
    assert "network is off" in page.told("state")["downloads"][0]["error"]
    assert hub.requests == []


def test_a_model_that_cannot_be_loaded_says_why(serve: Serve, make_llm: Make) -> None:
    def load(progress: Progress) -> LLM:
        raise DownloadError("its file is cut")

    page = Page(serve({"broken": ModelFile(load, 10, 256), "fine": make_llm()}))
    page.told("load", name="broken")
    until(lambda: page.model("broken")["failed"] == "its file is cut")


def test_a_model_that_answers_is_not_unloaded(make_llm: Make, serve: Serve, disk: Disk) -> None:
    endless = ModelFile(lambda progress: make_llm("on ", end=False, n_ctx=1 << 20), 10, 1 << 20)
    page = Page(serve({"one": endless}, disk=disk))
    with page.client.begin("/v1/chat/completions", {"messages": HELLO, "stream": True}) as stream:
        assert stream.recv(1 << 16)
        status, said = page.refused("unload", name="one")
        assert (status, said.partition(";")[0]) == (409, "one is answering")
    until(lambda: page.ask("unload", name="one").status == 200)


def test_chats_are_saved_as_sessions(
    tiny_with_bos: LLM, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path / "data"))
    page = Page(serve(tiny_with_bos))
    said = [*HELLO, {"role": "assistant", "content": "Good day."}]
    assert page.told("sessions") == {"sessions": []}
    page.told("save-session", name="greeting-1", messages=said)
    (listed,) = page.told("sessions")["sessions"]
    assert listed["name"] == "greeting-1"
    assert page.told("open-session", name="greeting-1") == {"messages": said}
    # What `pestle chat --session` does with it:
    conversation = tiny_with_bos.conversation()
    conversation.load("greeting-1")
    assert conversation.messages == said
    for wrong in ("../greeting-1", "", "a" * 100):
        assert page.refused("open-session", name=wrong)[0] == 404
        assert page.refused("save-session", name=wrong, messages=said)[0] == 409
    assert page.refused("save-session", name="x", messages=[{"role": "user"}])[0] == 400
    page.told("remove-session", name="greeting-1")
    assert page.told("sessions") == {"sessions": []}
    assert sessions.saved_sessions() == []
    assert page.refused("remove-session", name="greeting-1")[0] == 409


def test_bodies_are_bounded(make_llm: Make, serve: Serve) -> None:
    page = Page(serve(make_llm(), options=ServerOptions(body_bytes=1000)))
    assert page.refused("load", name="x" * 2000)[0] == 413
    for kind, status in (("application/json", 400), ("text/plain", 415)):  # forms have other types
        headers = {**page.headers, "content-type": kind}
        assert page.client.request("POST", "/page/api/load", b"[", headers).status == status
    assert json.loads(page.ask("state").body)["models"]
