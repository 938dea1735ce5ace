"""What a hub, or whatever answers in its place, says of a repository, and how it sends files."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from pestle.errors import Error
from pestle.models import checkpoint, resolve
from pestle.models.hub import HubReference
from pestle.models.remote import remote_models

from fuzzing import chance
from fuzzing.kinds import Kind

_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_DATA = b"GGUF and then some"
_NAMES = (
    "model-Q4_K_M.gguf", "model-Q8_0.gguf", "model-00001-of-00002.gguf",
    "model-00002-of-00002.gguf",
    "model.safetensors", "config.json", "tokenizer.json", "README.md",
)  # fmt: skip


def _listing(rng: Random) -> Any:
    digest = hashlib.sha256(_DATA).hexdigest()
    siblings = [
        {
            "rfilename": name,
            "size": len(_DATA),
            "lfs": {"sha256": digest, "size": len(_DATA), "pointerSize": 9},
        }
        for name in rng.sample(_NAMES, rng.randrange(1, len(_NAMES)))
    ]
    found = {"id": "user/repo", "sha": _COMMIT, "siblings": siblings, "tags": []}
    if rng.random() < 0.3:
        rng.choice(siblings)["rfilename"] = rng.choice([
            "../x.gguf", "/x.gguf", "a/../x.gguf", ".x.gguf", "a" * 300 + ".gguf", "a\0.gguf",
            "a\n.gguf",
            "\u202ex.gguf", "con.gguf", "a\\b.gguf", "a//b.gguf", "\ud800.gguf", "\x1b[2J.gguf",
        ])  # fmt: skip
    return chance.mutated_json(found, rng, 0.2) if rng.random() < 0.7 else found


def make(rng: Random) -> bytes:
    found = {
        "listing": _listing(rng),
        "raw": rng.choice([None] * 8 + ["", "<html>", "[" * 200000, "null", "5", "{"]),
        "status": rng.choice([200] * 12 + [301, 401, 403, 404, 429, 500]),
        "file": {
            "status": rng.choice([206] * 8 + [200, 416, 404, 403, 204]),
            "range": rng.choice(
                ["bytes 0-17/18"] * 8
                + ["", "bytes 5-9/18", "bytes */18", "x", "bytes 0-99999999999/18"]
            ),
            "data": rng.choice(
                [_DATA.decode()] * 6 + ["", "short", "x" * 500, "GGUF and then somE"]
            ),
        },
        "checkpoint": rng.random() < 0.4,
    }
    return json.dumps(found).encode()


@cache
def _client() -> Any:
    """The library's own HTTP client, with no network beneath it."""
    import huggingface_hub

    http = importlib.import_module(type(huggingface_hub.get_session()).__module__.partition(".")[0])

    def answer(request: Any) -> Any:
        case = _client.case  # type: ignore[attr-defined]
        if "/api/" in request.url.path:
            raw = case["raw"]
            body = json.dumps(case["listing"]) if raw is None else raw
            return http.Response(case["status"], content=iter([body.encode()]))
        file = case["file"]
        headers = {"Content-Range": file["range"]} if file["range"] else {}
        return http.Response(file["status"], content=iter([file["data"].encode()]), headers=headers)

    huggingface_hub.set_client_factory(lambda: http.Client(transport=http.MockTransport(answer)))
    return http


def run(case: bytes, folder: Path, rng: Random) -> None:
    from huggingface_hub import constants
    from pestle.models import transfer

    _client()
    _client.case = json.loads(case)  # type: ignore[attr-defined]
    constants.HF_HUB_CACHE = str(folder / "hub")
    transfer.time.sleep = lambda seconds: None  # type: ignore[attr-defined]
    os.environ["PESTLE_CACHE"] = str(folder / "pestle")
    if rng.random() < 0.3:  # as `pestle plan` does
        with suppress(Error):
            models, received = remote_models(
                HubReference("user/repo"), offline=False, every=rng.random() < 0.5
            )
            assert received < 1 << 20
            assert all(model.size < 1 << 50 for model in models)
    if _client.case["checkpoint"]:  # type: ignore[attr-defined]
        found = checkpoint("user/repo")
    else:
        found = resolve(
            hf=rng.choice(["user/repo", "user/repo:Q4_K_M", "user/repo:model-Q8_0.gguf"])
        )
    assert found.exists()
    assert folder in found.parents


KIND = Kind(make, run)
