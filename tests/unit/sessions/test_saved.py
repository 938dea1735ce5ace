"""Saved sessions: nothing is read again, nothing false is used, nothing is ever half there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM, FormatError, SessionError
from pestle.sessions import SessionFolder, pages, remove, saved_sessions
from pestle.sessions.places import sessions_dir

from . import models

LONG = "a question of some length, so that it takes several pages " * 4
MARK = len("pestle kv pages\n")  # at the beginning of a file of pages
ANSWER: dict[str, Any] = {"max_tokens": 40}


def talked(llm: LLM, *questions: str, **options: Any) -> Any:
    chat = llm.conversation("You are tiny.")
    for question in questions:
        chat.ask(question, **ANSWER, **options)
    return chat


def folder_of(name: str) -> Path:
    return sessions_dir() / name


def again(path: Path, name: str, **options: Any) -> tuple[Any, Any]:
    chat = LLM(path, threads=1, seed=3, **options).conversation()
    return chat, chat.load(name)


@pytest.mark.parametrize("kv_type", ["i16", "f16", "f32", "q8_0/i16"])
@pytest.mark.parametrize("name", ["model_path", "thinker_path"])
def test_as_if_it_had_gone_on(request: pytest.FixtureRequest, name: str, kv_type: str) -> None:
    path = request.getfixturevalue(name)
    chat = talked(LLM(path, threads=1, seed=3, kv_type=kv_type), LONG, "And?")
    saved = chat.save("s")
    assert saved.memory.size + MARK == sum(p.stat().st_size for p in folder_of("s").glob("kv-*"))
    other, found = again(path, "s", kv_type=kv_type)
    assert (found.reason, found.n_tokens) == (None, chat.session.n_tokens)
    assert other.messages == chat.messages
    first, second = (c.ask("Go on", **ANSWER) for c in (chat, other))
    assert (first.token_ids, first.usage) == (second.token_ids, second.usage)
    assert second.usage.cached_tokens > 250


def test_reasoning_that_the_next_prompt_leaves_out(thinker_path: Path) -> None:
    """Where windows have left the place to go on from, that is saved too."""
    thought = LLM(thinker_path, threads=1, seed=3)
    chat = thought.conversation()
    think = thought.tokenize("<think>", parse_special=True)[0]
    chat.ask(LONG, max_tokens=700, logit_bias={think: 1e9})  # as far as the answer goes
    prompt = len(chat.session.chat_tokens(chat.messages[:1]))
    chat.save("s")
    other, found = again(thinker_path, "s")
    assert found.reason is None
    first, second = (c.ask("Go on", **ANSWER) for c in (chat, other))
    assert first.usage == second.usage
    assert first.token_ids == second.token_ids
    assert second.usage.cached_tokens >= prompt


RESTART = """
import sys
from pestle import LLM
chat = LLM(sys.argv[1], threads=1, seed=3).conversation()
found = chat.load("s")
answer = chat.ask("Go on", max_tokens=40)
print(found.reason, answer.timings.prefill_tokens, list(answer.token_ids))
"""


def test_after_a_restart(llm: LLM, model_path: Path) -> None:
    chat = talked(llm, LONG)
    chat.save("s")
    held = chat.session.n_tokens
    argv = [sys.executable, "-c", RESTART, str(model_path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    answer = chat.ask("Go on", **ANSWER)
    new = answer.usage.prompt_tokens - answer.usage.cached_tokens
    assert said == f"None {new} {list(answer.token_ids)}\n"
    assert answer.usage.cached_tokens <= held


def test_only_what_is_new_is_written(llm: LLM) -> None:
    chat = talked(llm, LONG)
    first = chat.save("s")
    assert chat.save("s").written < 0.2 * first.written  # the messages
    chat.ask("And?", **ANSWER)
    second = chat.save("s")
    page = llm.engine.kv_groups[0][1]
    new_pages = -(-chat.session.n_tokens // 64) - len(first.memory.tokens) // 64
    assert second.written < (new_pages + 1) * page
    assert {place.file for place in second.memory.places.values()} == {"kv-000001", "kv-000002"}


def test_what_is_of_no_use_goes(llm: LLM) -> None:
    talked(llm, LONG).save("s")
    chat = talked(llm, "Something else")
    saved = chat.save("s")
    files = {path.name: path.stat().st_size for path in folder_of("s").glob("kv-*")}
    assert files == {"kv-000002": MARK + saved.memory.size}


def test_another_model_reads_again(llm: LLM, tmp_path: Path) -> None:
    """Of the same size, the same name and the same header."""
    chat = talked(llm, LONG)
    chat.save("s")
    path = models.write(tmp_path / "other.gguf", seed=1)
    other, found = again(path, "s")
    assert (found.reason, found.n_tokens) == ("the model's file is another one", 0)
    assert other.messages == chat.messages
    assert other.ask("Go on", max_tokens=1).usage.cached_tokens == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kv_type": "q8_0"}, "keys and values were i16, now they are q8_0"),
        (
            {"rope_freq_base": 5000.0},
            "the model's options were those of the file, now they are rope_freq_base=5000.0",
        ),
        ({"n_ctx": 200}, "the context holds 200 tokens, {n} are needed"),
    ],
)
def test_other_options_read_again(
    llm: LLM, model_path: Path, options: dict[str, Any], reason: str
) -> None:
    chat = talked(llm, LONG)
    chat.save("s")
    other, found = again(model_path, "s", **options)
    assert found.reason == reason.format(n=chat.session.n_tokens)
    assert other.messages == chat.messages


def test_a_file_that_changes_while_it_is_used(tmp_path: Path) -> None:
    path = models.write(tmp_path / "tiny.gguf")
    chat = talked(LLM(path, threads=1), "Hello")
    os.utime(path, (1, 1))
    with pytest.raises(SessionError, match="was changed since the model was loaded"):
        chat.save("s")
    assert not folder_of("s").exists()


def test_damaged_pages_are_read_again(llm: LLM, model_path: Path) -> None:
    chat = talked(llm, LONG)
    chat.save("s")
    (path,) = folder_of("s").glob("kv-*")
    data = bytearray(path.read_bytes())
    for damaged, error in (
        (data[:-1], r" bytes, expected \d+ at least"),
        (data[:100] + b"!" + data[101:], "have another sha256 than when they were written"),
        (b"", r"has 0 bytes, expected 34832 at least"),
    ):
        path.write_bytes(damaged)
        other, found = again(model_path, "s")
        assert re.match(f"it is damaged: .*{error}", found.reason)
        assert other.messages == chat.messages
    path.unlink()
    assert "No such file" in again(model_path, "s")[1].reason


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text[:-1], "is damaged"),
        (lambda text: text.replace("tiny", "tony"), "is damaged"),
        (lambda text: text.replace("session 1", "session 2"), "has version 2, expected 1"),
        (lambda text: "{}", "is no session"),
        (lambda text: "", "is no session"),
    ],
)
def test_a_damaged_conversation_is_told(
    llm: LLM, model_path: Path, change: Any, error: str
) -> None:
    talked(llm, "Hello").save("s")
    path = folder_of("s") / "session.json"
    text = change(path.read_text())
    path.write_text(text)
    chat = LLM(model_path, threads=1).conversation("Stay")
    with pytest.raises(FormatError, match=f"session.json {error}"):
        chat.load("s")
    assert chat.messages == [{"role": "system", "content": "Stay"}]
    assert path.read_text() == text


def _signed(session: Any) -> str:
    import hashlib

    text = json.dumps(session)
    return f"pestle session 1 {hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def test_hostile_sessions(llm: LLM, model_path: Path) -> None:
    """Well signed, and wrong: a typed error or a reason, and no memory that is not in the file."""
    talked(llm, LONG).save("s")
    path = folder_of("s") / "session.json"
    good = json.loads(path.read_text().partition("\n")[2])
    memory = good["memory"]
    row = memory["pages"][0]
    for wrong in (  # type: ignore[var-annotated]
        [], {}, {**good, "messages": {}}, {**good, "messages": [1]}, {**good, "model": None},
        {**good, "memory": 5}, {**good, "memory": {**memory, "tokens": ["a"]}},
        {**good, "memory": {**memory, "tokens": [1.5]}},
        {**good, "memory": {**memory, "tokens": [-1]}},
        {**good, "memory": {**memory, "tokens": [2**70]}},
        {**good, "memory": {**memory, "fingerprint": {}}},
        {**good, "memory": {**memory, "pages": {}}},
        {**good, "memory": {**memory, "pages": [[0]]}},
        {**good, "memory": {**memory, "pages": [[0, 0, "../../x", *row[3:]]]}},
        {**good, "memory": {**memory, "pages": [[0, -1, *row[2:]]]}},
    ):  # fmt: skip
        path.write_text(_signed(wrong))
        with pytest.raises(FormatError, match=r"session\.json: "):
            again(model_path, "s")
    for tokens, page in (
        ([10**9], row),
        ([5] * 3000, row),
        ([5], [0, 0, row[2], 0, 10**15, 1, row[6]]),
        ([5], [0, 0, row[2], 2**70, 5, 1, row[6]]),
    ):
        path.write_text(_signed({**good, "memory": {**memory, "tokens": tokens, "pages": [page]}}))
        chat, found = again(model_path, "s")
        assert found.reason is not None
        assert chat.messages == good["messages"]


def test_killed_while_it_saves(llm: LLM, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever file the saving ends, the session of before is whole."""
    chat = talked(llm, LONG)
    before = chat.save("s")
    chat.ask("And?", **ANSWER)
    replace, link = os.replace, os.link
    for survived in range(2):
        left = survived

        def count() -> None:
            nonlocal left
            if left == 0:
                raise OSError(28, "No space left on device")
            left -= 1

        def replaced(*args: Any) -> None:
            count()
            replace(*args)

        def linked(*args: Any, **kwargs: Any) -> None:
            count()
            link(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replaced)
            patch.setattr(os, "link", linked)
            with pytest.raises(SessionError, match=r"cannot save the session s .*No space left"):
                chat.save("s")
        found = again(model_path, "s")[1]
        assert (found.reason, found.saved) == (None, before)
    chat.save("s")
    assert again(model_path, "s")[0].messages == chat.messages
    assert not list(folder_of("s").glob("*.tmp"))
    assert len(list(folder_of("s").glob("kv-*"))) == 2


HOLD = """
import sys
from pestle.sessions import SessionFolder
with SessionFolder("s").hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(llm: LLM) -> None:
    chat = talked(llm, "Hello")
    argv = [sys.executable, "-c", HOLD]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for use in (lambda: chat.save("s"), lambda: SessionFolder("s").hold().__enter__()):
            with pytest.raises(SessionError, match="session s is in use by another process"):
                use()
        other.kill()
        other.wait()
    chat.save("s")
    with SessionFolder("s").hold():
        pass
    folder = SessionFolder("s")
    with folder.hold():
        chat.save(folder)  # whoever holds it


def test_names(llm: LLM, tmp_path: Path) -> None:
    for name in ("", "..", ".hidden", "a/b", "a\\b", "x" * 65, "ends.", "a b"):
        with pytest.raises(SessionError, match="is not a name for a session"):
            SessionFolder(name)
    chat = talked(llm, "Hello")
    with pytest.raises(SessionError, match="there is no session nowhere"):
        chat.load("nowhere")
    assert not folder_of("nowhere").exists()
    chat.save(tmp_path / "elsewhere")
    assert llm.conversation().load(tmp_path / "elsewhere").reason is None


def test_the_list_and_removing(llm: LLM) -> None:
    assert saved_sessions() == []
    chat = talked(llm, "Hello")
    chat.save("a")
    chat.save("b")
    sizes = {entry.name: entry.size for entry in saved_sessions()}
    assert sizes.keys() == {"a", "b"}
    assert remove("a") == sizes["a"]
    assert [entry.name for entry in saved_sessions()] == ["b"]
    assert not folder_of("a").exists()
    with pytest.raises(SessionError, match="there is no session a"):
        remove("a")


def test_many_saves_stay_few_files(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pestle.sessions.saved._MOST_FILES", 4)
    chat = llm.conversation()
    for n in range(9):
        chat.ask(f"{n} {LONG[:100]}", max_tokens=2)
        saved = chat.save("s")
        assert len({place.file for place in saved.memory.places.values()}) <= 4  # type: ignore[union-attr]
    assert isinstance(next(iter(saved.memory.places.values())), pages.Place)  # type: ignore[union-attr]
