"""Several models: chosen by name, loaded when they are wanted, unloaded when they are idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from pestle import LLM, memory
from pestle.errors import FormatError
from pestle.memory import Memory
from pestle.progress import Progress
from pestle.server import ModelFile, ServerOptions

from .serving import Client

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
Serve = Callable[..., Client]


@dataclass
class Shelf:
    """Models that can be loaded; it knows which are in memory, and how much is free."""

    make_llm: Callable[..., LLM]
    free: int = 100
    here: dict[str, LLM] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    may_load: threading.Event = field(default_factory=threading.Event)
    """Not set: a model that is being loaded stays half loaded."""

    def file(
        self, answer: str, size: int = 40, *, loaded: bool = False, **made: object
    ) -> ModelFile:
        def load(progress: Progress) -> LLM:
            self.loads.append(answer)
            progress.start("loading", size)
            progress.advance(size // 2)
            while not self.may_load.wait(0.01):
                progress.advance(0)
            progress.advance(size // 2)
            progress.finish()
            return here()

        def here() -> LLM:
            self.free -= size
            self.here[answer] = self.make_llm(answer, **made)
            return self.here[answer]

        def unload(llm: LLM) -> None:
            llm.close()
            assert self.here.pop(answer) is llm
            self.free += size

        return ModelFile(load, size, 256, unload, here() if loaded else None)


@pytest.fixture
def shelf(make_llm: Callable[..., LLM], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf(make_llm)
    shelf.may_load.set()
    monkeypatch.setattr(memory, "read", lambda: Memory(1000, shelf.free))
    return shelf


def text(client: Client, model: str | None = None) -> str:
    answer = client.post(PATH, {"model": model, "messages": HELLO})
    assert answer.status == 200, answer.json
    found: str = answer.json["choices"][0]["message"]["content"]
    return found


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_request_chooses(shelf: Shelf, serve: Serve) -> None:
    client = serve({"one": shelf.file("First."), "two": shelf.file("Second.")})
    assert shelf.here == {}
    assert text(client) == "First."
    assert list(shelf.here) == ["First."]  # what nobody wants is not loaded
    assert text(client, "two") == "Second."
    assert text(client, "one") == "First."
    assert shelf.loads == ["First.", "Second."]


def test_a_limit_holds_for_all_together(shelf: Shelf, serve: Serve) -> None:
    shelf.free = 10_000
    options = ServerOptions(memory=100)
    files = {name: shelf.file(name.title()) for name in ("one", "two", "three")}
    client = serve(files, options=options)
    for name, here in (
        ("one", ["One"]),
        ("two", ["One", "Two"]),
        ("three", ["Two", "Three"]),  # 120 of 100 bytes: the one that was not used for longest went
        ("two", ["Two", "Three"]),
        ("one", ["Two", "One"]),
    ):
        assert text(client, name) == name.title()
        assert list(shelf.here) == here


def test_what_there_is(shelf: Shelf, serve: Serve) -> None:
    options = ServerOptions(aliases={"gpt-4o": "two", "org/name": "one"})
    client = serve({"one": shelf.file("1", n_ctx=99), "two": shelf.file("2")}, options=options)
    listed = client.get("/v1/models").json["data"]
    assert [each["id"] for each in listed] == ["one", "two", "gpt-4o", "org/name"]
    assert all(each["context_length"] == 256 for each in listed)
    assert shelf.here == {}
    assert text(client, "gpt-4o") == "2"
    assert text(client, "org/name") == "1"
    one = client.get("/v1/models/org/name").json
    assert (one["id"], one["context_length"], one["object"]) == ("org/name", 99, "model")
    missing = client.get("/v1/models/three")
    assert missing.status == 404
    assert missing.json["error"]["code"] == "model_not_found"
    assert "one, two, gpt-4o, org/name" in missing.json["error"]["message"]


def test_aliases_of_nothing(shelf: Shelf, serve: Serve) -> None:
    for aliases in ({"a": "none"}, {"one": "one"}):
        with pytest.raises(ValueError, match="cannot be another name"):
            serve({"one": shelf.file("1")}, options=ServerOptions(aliases=aliases))


def test_loading_is_told(shelf: Shelf, serve: Serve) -> None:
    shelf.may_load.clear()
    client = serve({"one": shelf.file("1")}, options=ServerOptions(patience=0.2))
    refused = client.post(PATH, {"messages": HELLO})
    assert refused.status == 503
    assert refused.json["error"]["message"] == "the model 'one' is being loaded, 50% of it is there"
    assert refused.json["error"]["code"] == "model_loading"
    assert int(refused.headers["retry-after"]) >= 1
    shelf.may_load.set()
    until(lambda: shelf.here)
    assert text(client) == "1"
    assert shelf.loads == ["1"]


def test_who_asks_together_loads_once(shelf: Shelf, serve: Serve) -> None:
    shelf.may_load.clear()
    client = serve({"one": shelf.file("1")})
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(text(client))) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: shelf.loads)
    shelf.may_load.set()
    for thread in threads:
        thread.join()
    assert texts == ["1"] * 5
    assert shelf.loads == ["1"]


def test_what_cannot_be_loaded(make_llm: Callable[..., LLM], serve: Serve) -> None:
    broken = [True]

    def load(progress: Progress) -> LLM:
        if broken[0]:
            raise FormatError("broken.gguf: the magic is wrong")
        return make_llm("Good.")

    client = serve({"a": make_llm("fine"), "b": ModelFile(load, 1, 256)})
    answer = client.post(PATH, {"model": "b", "messages": HELLO})
    assert answer.status == 500
    assert answer.json["error"]["message"] == "broken.gguf: the magic is wrong"
    assert text(client, "a") == "fine"
    broken[0] = False
    assert text(client, "b") == "Good."


def test_the_idle_one_makes_room(shelf: Shelf, serve: Serve) -> None:
    names = ("a", "b", "c")
    client = serve({name: shelf.file(name) for name in names})
    assert [text(client, name) for name in ("a", "b", "a", "c")] == ["a", "b", "a", "c"]
    assert list(shelf.here) == ["a", "c"]  # b was not used for longest
    assert text(client, "b") == "b"
    assert list(shelf.here) == ["c", "b"]


def test_two_do_not_take_the_same_memory(shelf: Shelf, serve: Serve) -> None:
    shelf.may_load.clear()
    client = serve({"one": shelf.file("1", 60), "two": shelf.file("2", 60)})
    with ThreadPoolExecutor(2) as asking:
        said = [asking.submit(text, client, name) for name in ("one", "two")]
        until(lambda: shelf.loads)
        time.sleep(0.3)
        assert len(shelf.loads) == 1  # the memory is not taken yet, but spoken for
        shelf.may_load.set()
        assert [each.result() for each in said] == ["1", "2"]
    assert len(shelf.loads) == 2
    assert shelf.free == 40


def test_what_is_in_use_stays(shelf: Shelf, serve: Serve) -> None:
    """Swapping models aborts nobody's answer: who wants another one waits, and is told."""
    endless = shelf.file("on and on ", 60, end=False, n_ctx=10_000_000)
    client = serve({"a": endless, "b": shelf.file("b", 60)}, options=ServerOptions(patience=0.3))
    with client.begin(PATH, {"model": "a", "messages": HELLO, "stream": True}) as stream:
        assert b"200 OK" in stream.recv(1 << 10)
        refused = client.post(PATH, {"model": "b", "messages": HELLO})
        assert refused.status == 503
        said = refused.json["error"]["message"]
        assert said == "the model 'b' waits for the memory that others use"
        assert list(shelf.here) == ["on and on "]
        assert stream.recv(1 << 10)
    until(lambda: list(shelf.here) == ["b"])  # once who used the other one has left
    assert text(client, "b") == "b"


def test_idle_models_are_unloaded(shelf: Shelf, serve: Serve) -> None:
    options = ServerOptions(keep_alive=0.2)
    client = serve({"a": shelf.file("a"), "b": shelf.file("b", loaded=True)}, options=options)
    assert list(shelf.here) == ["b"]
    until(lambda: not shelf.here)  # also one that nobody has ever used
    assert text(client) == "a"
    assert list(shelf.here) == ["a"]
    until(lambda: not shelf.here)
    assert text(client) == "a"
    assert shelf.loads == ["a", "a"]


def test_an_answer_outlasts_keep_alive(shelf: Shelf, serve: Serve) -> None:
    endless = shelf.file("on and on ", end=False, n_ctx=10_000_000)
    client = serve({"a": endless}, options=ServerOptions(keep_alive=0.1))
    with client.begin(PATH, {"messages": HELLO, "stream": True}) as stream:
        until(lambda: shelf.here)
        time.sleep(0.5)
        assert shelf.here
        assert stream.recv(1 << 10)
    until(lambda: not shelf.here)


def test_all_are_freed_at_the_end(shelf: Shelf, serve: Serve, make_llm: Callable[..., LLM]) -> None:
    owned = make_llm("mine")
    client = serve({"a": shelf.file("a"), "b": shelf.file("b"), "mine": owned})
    assert text(client, "a") == "a"
    shelf.may_load.clear()  # the second one is still being loaded at the end
    with client.begin(PATH, {"model": "b", "messages": HELLO}):
        until(lambda: shelf.loads == ["a", "b"])
    client.listener.stop()
    until(lambda: not shelf.here)
    shelf.may_load.set()
    assert owned.chat(HELLO).text == "mine"
