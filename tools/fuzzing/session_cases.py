"""Saved sessions with something wrong: taken up, gone on with, and saved again."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from random import Random

from pestle import LLM
from pestle.llm.loading import load
from pestle.options import EngineOptions

from fuzzing import bundle, chance, tiny_models
from fuzzing.kinds import Kind
from fuzzing.scratch import in_memory

_ARCHITECTURES = ("llama", "gpt-oss", "deepseek2")
_STATE = "session.json"


@cache
def _model(architecture: str) -> tuple[LLM, object]:
    """A model, and the folder that goes with it."""
    folder = in_memory()
    path = Path(folder.name) / "model.gguf"
    path.write_bytes(tiny_models.model(architecture, "Q8_0").to_bytes())
    options = EngineOptions(threads=1, threads_prefill=1, n_ctx=256, prefix_cache=1 << 20)
    return LLM.from_loaded(load(path, options, seed=1)), folder


@cache
def _saved(architecture: str) -> dict[str, bytes]:
    conversation = _model(architecture)[0].conversation("the thing")
    conversation.ask("a question", max_tokens=30, temperature=0)
    with in_memory() as folder:
        session = Path(folder) / "session"
        conversation.save(session)
        return {
            path.name: path.read_bytes()
            for path in sorted(session.iterdir())
            if path.name != "lock"
        }


def _sealed(header: bytes, text: bytes) -> bytes:
    """With the digest of what it says."""
    words = header.split()
    words[-1] = hashlib.sha256(text).hexdigest().encode()
    return b" ".join(words) + b"\n" + text


def make(rng: Random) -> bytes:
    architecture = rng.choice(_ARCHITECTURES)
    files = dict(_saved(architecture))
    header, _, text = files[_STATE].partition(b"\n")
    kind = rng.randrange(10)
    if kind < 6:
        said = json.loads(text)
        part = rng.choice(["memory", "memory", "memory", None])
        if part is not None:
            inner = rng.choice(["pages", "pages", "tokens", "fingerprint"])
            said[part][inner] = chance.mutated_json(said[part][inner], rng, 0.2)
        else:
            said = chance.mutated_json(said, rng)
        files[_STATE] = _sealed(header, json.dumps(said).encode())
    elif kind < 7:
        raw = bytearray(files[_STATE])
        chance.mutated_bytes(raw, rng)
        files[_STATE] = bytes(raw)
    elif kind < 9:
        name = rng.choice([name for name in files if name != _STATE])
        raw = bytearray(files[name])
        chance.mutated_bytes(raw, rng)
        files[name] = bytes(raw)
        if rng.random() < 0.5:  # as if it had been written so
            said = json.loads(text)
            for page in said["memory"]["pages"]:
                data = raw[page[3] : page[3] + page[4]]
                page[-1] = hashlib.sha256(data).hexdigest()
            files[_STATE] = _sealed(header, json.dumps(said).encode())
    else:
        del files[rng.choice(list(files))]
    return bundle.bundled({"architecture": architecture.encode(), **files})


def run(case: bytes, folder: Path, rng: Random) -> None:
    files = bundle.unbundled(case)
    conversation = _model(files.pop("architecture").decode())[0].conversation()
    session = folder / "session"
    session.mkdir()
    for name, data in files.items():
        (session / name).write_bytes(data)
    conversation.load(session)
    if not all(
        isinstance(m.get("content"), str) and isinstance(m.get("role"), str)
        for m in conversation.messages
    ):
        return  # the session's own; a template may refuse them in many ways
    conversation.ask("the", max_tokens=3, temperature=0)
    conversation.save(session)
    assert conversation.load(session).reason is None


KIND = Kind(make, run)
