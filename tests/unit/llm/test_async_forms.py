"""Each call that computes, reads or writes has a form for asyncio, which does the same."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM, ArgumentError, ArgumentTypeError, Conversation, Error, Session, SessionError
from pestle.llm import loading

from tests.unit.llm.cancelling import outlasts_cancelling
from tests.unit.sessions.models import write

MakeLlm = Callable[..., LLM]
# They compute nothing, or are over at once; those behind the line are for servers.
AT_ONCE = {
    *("activity", "cancel", "clear", "conversation", "expert_counts", "fork", "reset", "session"),
    *("adapted", "chat_request", "chat_run", "chat_tokens", "check_switches", "embedding_request"),
    *("embedding_run", "from_loaded", "from_runtime", "prompt_of", "text_request", "text_run"),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("forms") / "tiny.gguf")


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PESTLE_DATA", "PESTLE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture
def tiny(path: Path) -> Iterator[LLM]:
    with LLM(path, threads=1, seed=3) as llm:
        yield llm


@pytest.mark.parametrize("kind", [LLM, Session, Conversation])
def test_there_is_one(kind: type) -> None:
    calls = {n for n, c in inspect.getmembers(kind, inspect.isroutine) if not n.startswith("_")}
    forms = {name for name in calls if name.startswith("a") and name[1:] in calls} - {"ask"}
    others = calls - forms - AT_ONCE - {"aopen"}
    assert {f"a{name}" for name in others} == forms
    for name in forms:
        own, other = (inspect.signature(getattr(kind, n)).parameters for n in (name, name[1:]))
        assert [p for p in own if p != "client"] == [*other]


def test_what_they_give(tiny: LLM) -> None:
    text = "what is asked"

    async def main() -> list[Any]:
        tokens = await tiny.atokenize(text, add_special=False)
        return [tokens, await tiny.adetokenize(tokens), (await tiny.alogits(text)).tobytes()]

    tokens = tiny.tokenize(text, add_special=False)
    assert asyncio.run(main()) == [tokens, text, tiny.logits(text).tobytes()]


def test_what_is_wrong_is_said_by_the_call(tiny: LLM) -> None:
    given: Any = 5
    chat = tiny.conversation()
    for call in (tiny.atokenize, tiny.adetokenize, tiny.ascore, tiny.alogits):
        with pytest.raises(ArgumentTypeError):
            call(given)
    with pytest.raises(ArgumentTypeError):
        tiny.aembed(given, pooling="mean")  # type: ignore[unused-coroutine]
    for of_files in (chat.asave, chat.aload):
        with pytest.raises(ArgumentTypeError, match="session is 5, expected a name, or a folder"):
            of_files(given)
        with pytest.raises(SessionError, match=r"a folder is given as a pathlib\.Path$"):
            of_files("a/b")
    with pytest.raises(ArgumentTypeError, match="did you mean add_special"):
        tiny.atokenize("x", add_bos=True)  # type: ignore[call-arg, unused-coroutine]
    with pytest.raises(ArgumentError):
        tiny.adetokenize([10**9])  # type: ignore[unused-coroutine]


def test_warnings_name_the_callers_line(make_llm: MakeLlm) -> None:
    llm = make_llm(lacks=b"\x06", unknown_characters="replace", pooling="mean")

    async def main() -> None:
        await llm.atokenize("a\x06")
        await llm.alogits("a\x06")
        await llm.ascore("a\x06")
        await llm.aembed("a\x06")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        llm.tokenize("a\x06")
        llm.logits("a\x06")
        llm.score("a\x06")
        llm.embed("a\x06")
        asyncio.run(main())
    assert [warning.filename for warning in told] == [__file__] * 8


def test_saved_and_loaded(tiny: LLM, tmp_path: Path) -> None:
    async def main() -> None:
        chat = tiny.conversation()
        await chat.aask("a question", max_tokens=5)
        saving = chat.asave(tmp_path / "s")
        chat.messages.append({"role": "user", "content": "later"})
        await saving
        again = tiny.conversation()
        found = await again.aload(tmp_path / "s")
        assert (found.reason, again.messages) == (None, chat.messages[:2])
        tokens = chat.session.tokens
        assert await tiny.asave_prefix(tmp_path / "p", tokens) == len(tokens)
        assert await tiny.aload_prefix(tmp_path / "p") == tuple(tokens)

    asyncio.run(main())


def test_cancelling_waits_for_what_is_written(tiny: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on, saved = threading.Event(), threading.Event(), threading.Event()

    def save(*given: Any) -> None:
        entered.set()
        assert go_on.wait(30)
        saved.set()

    monkeypatch.setattr(Session, "save", save)

    asyncio.run(outlasts_cancelling(lambda: tiny.conversation().asave("s"), entered, go_on))
    assert saved.is_set()


class Heard:
    def __init__(self) -> None:
        self.labels: list[str] = []
        self.advanced = self.finished = 0

    def start(self, label: str, total_bytes: int | None) -> None:
        self.labels.append(label)

    def advance(self, n: int) -> None:
        self.advanced += n

    def finish(self) -> None:
        self.finished += 1


def test_opened_and_closed(path: Path) -> None:
    heard = Heard()

    async def main() -> None:
        async with await LLM.aopen(path, threads=1, progress=heard) as llm:
            assert (await llm.agenerate("a", max_tokens=2)).usage.completion_tokens == 2
        with pytest.raises(Error, match="the model is closed"):
            llm.generate("a")
        with pytest.raises(ArgumentTypeError, match="did you mean n_ctx"):
            await LLM.aopen(path, nctx=5)  # type: ignore[call-arg]
        with pytest.raises(ArgumentTypeError, match="progress is 5, expected"):
            await LLM.aopen(path, progress=5)  # type: ignore[arg-type]

    asyncio.run(main())
    assert re.fullmatch(r"loading tiny\.gguf", heard.labels[0])
    assert heard.advanced > 0
    assert heard.finished == len(heard.labels)


def test_cancelling_ends_the_loading(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = loading.load
    entered, go_on = threading.Event(), threading.Event()
    ended: list[BaseException] = []

    def slow(*given: Any, **options: Any) -> Any:
        entered.set()
        assert go_on.wait(30)
        try:
            return load(*given, **options)
        except Error as error:
            ended.append(error)
            raise

    monkeypatch.setattr(loading, "load", slow)

    async def main() -> None:
        task = asyncio.ensure_future(LLM.aopen(path, threads=1))
        await asyncio.to_thread(entered.wait)
        task.cancel()
        await asyncio.sleep(0.01)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [str(error) for error in ended] == ["nobody waits for the model any more"]
