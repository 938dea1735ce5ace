"""What others published, as tests use it: tests/data without its compression (see its README)."""

from __future__ import annotations

import json
import lzma
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pestle.tokenizer import Tokenizer

from tests.packed_tokenizer import unpack
from tests.unit.text.toy import CONTROL, NORMAL, UNUSED, USER_DEFINED

DATA = Path(__file__).parent / "data"
# What makes converters mark an added token as CONTROL although it is not called special.
_LIKE_CONTROL = (("<|", "|>"), ("<\uff5c", "\uff5c>"))


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Where unpacked files are; it goes when this process ends."""
    return tempfile.TemporaryDirectory(prefix="pestle-tests-")


@cache
def path_of(name: str) -> Path:
    """The path of a file or a folder of tests/data, to read only; *.xz is unpacked."""
    path, unpacked = DATA / name, Path(_scratch().name) / name
    if path.exists() and not any(path.glob("*.xz")):
        return path
    if not path.is_dir():
        _unpack(path.with_name(f"{path.name}.xz"), unpacked)
        return unpacked
    unpacked.mkdir(parents=True, exist_ok=True)  # single files of it may be there already
    for file in path.iterdir():
        if file.suffix == ".xz":
            _unpack(file, unpacked / file.stem)
        else:
            shutil.copy(file, unpacked / file.name)
    return unpacked


def _unpack(packed: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(packed) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


@cache
def tokenizer_json(name: str) -> dict[str, Any]:
    """A published tokenizer.json."""
    return unpack(json.loads(path_of(f"tokenizers/{name}.json").read_text(encoding="utf-8")))


def metadata_of_json(name: str, pre: str) -> dict[str, Any]:
    """What a converter would write to GGUF for a Hugging Face byte-level tokenizer."""
    description = tokenizer_json(name)
    by_id: dict[int, tuple[str, int]] = {
        token: (text, NORMAL) for text, token in description["model"]["vocab"].items()
    }
    for added in description["added_tokens"]:
        text = added["content"]
        looks_special = any(text.startswith(a) and text.endswith(b) for a, b in _LIKE_CONTROL)
        kind = CONTROL if added["special"] or looks_special else USER_DEFINED
        by_id[added["id"]] = (text, kind)
    tokens = [by_id.get(n, (f"[PAD{n}]", UNUSED)) for n in range(max(by_id) + 1)]
    merges = description["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [text for text, _ in tokens],
        "tokenizer.ggml.token_type": [kind for _, kind in tokens],
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in merges],
    }


@cache
def tokenizer_of_json(name: str, pre: str) -> Tokenizer:
    """The tokenizer of what `metadata_of_json` gives."""
    return Tokenizer.from_gguf(metadata_of_json(name, pre))
