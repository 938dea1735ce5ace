"""Prefixes that outlast the server: read once, in whatever process."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ModelFile, create_app
from pestle.server.prefix_store import PrefixStore
from pestle.sessions.pages import PageFiles

from tests.unit.sessions import models

from .serving import Client, serving

CHAT = "/v1/chat/completions"
LONG = [{"role": "user", "content": "Tell me of a river. " * 20}]
OTHER = [{"role": "user", "content": "Another thing altogether. " * 20}]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return models.write(tmp_path / "tiny.gguf")


@contextmanager
def served(model: Path, folder: Path) -> Iterator[Client]:
    store = PrefixStore(folder)
    file = ModelFile(lambda progress: LLM(model, n_ctx=2000, threads=1), 1, 2000, store=store)
    with serving(create_app({"m": file})) as client:
        yield client


def ask(client: Client, messages: Any) -> tuple[str, int]:
    """The answer, and how much of the prompt was not read."""
    answer = client.post(CHAT, {"messages": messages, "max_tokens": 8, "seed": 1})
    assert answer.status == 200, answer.json
    cached: int = answer.json["usage"]["prompt_tokens_details"]["cached_tokens"]
    return answer.json["choices"][0]["message"]["content"], cached


def test_the_next_server_reads_only_what_is_new(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prefixes"
    with served(tiny, folder) as client:
        first, cached = ask(client, LONG)
        assert cached == 0
        ask(client, OTHER)
    assert len(list(folder.iterdir())) == 2
    with served(tiny, folder) as client:
        again, cached = ask(client, LONG)
        assert again == first
        assert cached > 400
        assert ask(client, OTHER)[1] > 400
        assert ask(client, [*LONG, {"role": "assistant", "content": "?"}, *OTHER])[1] > 400
    with served(tiny, folder) as client:  # also what the last server was not asked for
        ask(client, OTHER)
    with served(tiny, folder) as client:
        assert ask(client, LONG)[1] > 400


def test_another_models_are_left_alone(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "prefixes"
    with served(tiny, folder) as client:
        ask(client, LONG)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    other = models.write(tmp_path / "other.gguf", seed=1)
    with served(other, folder) as client, caplog.at_level(logging.WARNING):
        assert client.post("/tokenize", {"prompt": "x"}).status == 200
    assert "a prefix is not used: " in caplog.text
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_damaged_ones_are_told(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "prefixes"
    with served(tiny, folder) as client:
        first, _ = ask(client, LONG)
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-7])
    with served(tiny, folder) as client, caplog.at_level(logging.WARNING):
        assert ask(client, LONG) == (first, 0)
    assert "a prefix is not used: " in caplog.text


def test_a_full_disk(
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "prefixes"
    with served(tiny, folder) as client:
        first, _ = ask(client, LONG)

    def write(self: PageFiles, *arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, served(tiny, folder) as client:
        patch.setattr(PageFiles, "write", write)
        assert ask(client, OTHER)[1] < 10  # the template's beginning
        assert client.get("/v1/models").status == 200
    assert "prefixes could not be saved: " in caplog.text
    assert "No space left on device" in caplog.text
    with served(tiny, folder) as client:
        assert ask(client, LONG)[0] == first


def test_an_unusable_folder(tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "prefixes"
    folder.write_text("a file")
    with served(tiny, folder) as client:
        ask(client, LONG)
    assert "prefixes could not be" in caplog.text
    assert folder.read_text() == "a file"


def test_texts_that_are_known() -> None:
    store = PrefixStore(Path("nowhere"))
    for n in (10, 100, 200):  # one that goes on takes the place of what it goes on from
        store.note(range(n))
    ((name, text),) = store._texts.items()
    assert len(text) == 200
    for first in range(50):
        store.note([first + 1000, *range(100)])
    assert [text[0] for text in store._texts.values()] == list(range(1018, 1050))
    assert name in store._dropped


def test_somebodys_session_is_not_taken_over(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prefixes"
    with served(tiny, folder) as client:
        ask(client, LONG)
    (own,) = folder.iterdir()
    mine = own.rename(folder / "mine")
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    with served(tiny, folder) as client:
        for n in range(33):  # more than are kept, one of which goes on from that text
            ask(client, [{"role": "user", "content": f"{n} " * 80}])
        ask(client, LONG)
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before
