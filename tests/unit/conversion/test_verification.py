"""A file against its manifest, and against its source."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert, quantize, verify
from pestle.conversion.contents import WrongSize
from pestle.conversion.manifest import headers_match
from pestle.conversion.options import ConversionOptions
from pestle.errors import Error, FormatError, ModelNotFoundError, UnsupportedError
from pestle.gguf.header import entry_bytes

from tests.unit.engine.parts import Parts

DAMAGED = "blk.1.ffn_up_exps.weight"


@pytest.fixture
def path(source: Path, tmp_path: Path) -> Path:
    return convert(source, tmp_path / "out.gguf", to="Q8_0", name="Tiny").paths[0]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_file_as_it_was_written(path: Path, source: Path) -> None:
    found = verify(path)
    assert found.ok
    assert found.n_tensors == len(GgufFile(path).tensors)
    assert verify(path, rederive=source).ok


def test_the_manifest_says_what_is_there(path: Path, source: Path) -> None:
    manifest = verify(path).manifest
    assert manifest.options == {"to": "Q8_0", "name": "Tiny", "split_size": 0}
    for name, digest in manifest.files.items():
        assert hashlib.sha256((source / name).read_bytes()).hexdigest() == digest, name
    assert {p.name for p in source.iterdir()} == set(manifest.files)
    beside = json.loads((path.parent / "out.gguf.manifest.json").read_text())
    assert beside["files"] == ["out.gguf"]
    assert {f["name"]: f["sha256"] for f in beside["source"]["files"]} == manifest.files
    file = GgufFile(path)
    for tensor, entry in zip(file.tensors, beside["tensors"], strict=True):
        digest = hashlib.sha256(file.read(tensor.name).tobytes()).hexdigest()
        assert entry == {
            "name": tensor.name,
            "type": tensor.type,
            "shape": list(reversed(tensor.shape)),
            "sha256": digest,
        }


def test_a_damaged_tensor(path: Path, source: Path) -> None:
    tensor = next(t for t in GgufFile(path).tensors if t.name == DAMAGED)
    flip(path, tensor.offset + 12_345)
    found = verify(path, rederive=source)
    assert not found.ok
    assert found.damaged == found.not_rederived == (DAMAGED,)
    assert found.headers_match
    assert found.metadata_rederived


def test_damaged_metadata(path: Path, source: Path) -> None:
    flip(path, path.read_bytes().index(b"Tiny"))
    found = verify(path, rederive=source)
    assert not found.ok
    assert not found.headers_match
    assert not found.metadata_rederived
    assert found.damaged == found.not_rederived == ()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A file of less than 3,000 bytes, with padding behind every tensor."""
    metadata = {
        "context_length": 8,
        "embedding_length": 2,
        "block_count": 1,
        "feed_forward_length": 3,
        "attention.head_count": 1,
        "attention.head_count_kv": 1,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": 2,
        "vocab_size": 3,
    }
    shapes = {"attn_norm": (2,), "ffn_norm": (2,), "ffn_gate": (3, 2), "ffn_up": (3, 2)}
    shapes |= {f"attn_{part}": (2, 2) for part in ("q", "k", "v", "output")} | {"ffn_down": (2, 3)}
    shapes = {f"blk.0.{name}": shape for name, shape in shapes.items()}
    shapes |= {"token_embd": (3, 2), "output_norm": (2,)}
    tensors = {
        f"{name}.weight": np.arange(1, 1 + math.prod(shape), dtype=np.float32).reshape(shape)
        for name, shape in shapes.items()
    }
    parts = Parts("llama", metadata, tensors, general={"general.name": "Tiny"})
    return quantize(parts.write(tmp_path / "in.gguf"), tmp_path / "tiny.gguf", "F16").paths[0]


def regions(path: Path) -> dict[str, tuple[int, int]]:
    """Parts of a file by what they are: where each begins and ends."""
    found, at = {}, 0
    for tensor in GgufFile(path).tensors:
        found[f"before {tensor.name}"] = (at, tensor.offset)
        at = tensor.offset + tensor.nbytes
        found[tensor.name] = (tensor.offset, at)
    return {**found, "end": (at, path.stat().st_size)}


def seen(path: Path) -> bool:
    """Whether `verify` says that something is wrong with the file itself."""
    try:
        return not verify(path, sidecar=False).file_ok
    except Error:
        return True


def test_every_byte_of_a_file(tiny: Path) -> None:
    good = tiny.read_bytes()
    assert verify(tiny).ok
    parts = regions(tiny)
    assert all(end > begin for begin, end in parts.values()), "no padding is left out"
    assert sum(end - begin for begin, end in parts.values()) == len(good)
    missed = []
    with tiny.open("r+b", buffering=0) as stream:
        for at in range(len(good)):
            for bits in (0x01, 0x80, 0xFF):
                stream.seek(at)
                stream.write(bytes([good[at] ^ bits]))
                if not seen(tiny):
                    missed.append((at, bits))
            stream.seek(at)
            stream.write(good[at : at + 1])
    assert missed == []
    assert verify(tiny).ok


@pytest.mark.parametrize("more", [b"\0", b"x", b"\0" * 32, b"\0" * 64])
def test_bytes_that_are_put_in_or_taken_out(tiny: Path, more: bytes) -> None:
    good = tiny.read_bytes()
    for begin, end in regions(tiny).values():
        for at in {begin, (begin + end) // 2, end}:
            tiny.write_bytes(good[:at] + more + good[at:])
            assert seen(tiny), f"{more!r} put in at {at}"
            if at < len(good):
                tiny.write_bytes(good[:at] + good[at + len(more) :])
                assert seen(tiny), f"{len(more)} taken out at {at}"


def test_which_part_differs(tiny: Path) -> None:
    good, parts = tiny.read_bytes(), regions(tiny)
    first, second, *_, last = (tensor.name for tensor in GgufFile(tiny).tensors)
    flip(tiny, parts[f"before {second}"][0])
    found = verify(tiny)
    assert (found.padded_wrongly, found.damaged, found.headers_match) == ((first,), (), True)
    tiny.write_bytes(good)
    flip(tiny, len(good) - 1)
    assert verify(tiny).padded_wrongly == (last,)
    for size in (len(good) + 1, parts["end"][0]):
        tiny.write_bytes(good[:size].ljust(size, b"\0"))
        found = verify(tiny)
        assert found.wrong_sizes == (WrongSize("tiny.gguf", size, len(good)),)
        assert (found.padded_wrongly, found.damaged, found.headers_match) == ((), (), True)
        assert not found.ok


def test_the_last_byte_of_every_shard(source: Path, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out.gguf", split_size=1_000_000)
    assert len(made.paths) == 2
    for path in made.paths:
        size = path.stat().st_size
        with path.open("ab") as stream:
            stream.write(b"\0")
        assert verify(made.paths[0]).wrong_sizes == (WrongSize(path.name, size + 1, size),)
        os.truncate(path, size)
    assert verify(made.paths[0]).ok


def test_a_digest_that_stands_elsewhere_too(tiny: Path) -> None:
    def stated(digest: str) -> bytes:
        return entry_bytes("pestle.headers.sha256", digest)

    for times, matches in ((1, True), (2, False)):
        digest = hashlib.sha256(stated("0" * 64) * times).hexdigest()
        assert headers_match([stated(digest) * times], digest) is matches
    header = tiny.read_bytes()[: GgufFile(tiny).tensors[0].offset]
    digest = verify(tiny).manifest.headers
    assert headers_match([header], digest)
    for wrong in ("", "x", digest.upper(), digest[:-1], "\ud800" * 64):
        assert not headers_match([header], wrong)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.clear(), "lacks `files`"),
        (lambda data: data.update(pestle="9"), "says `pestle` is '9', the file "),
        (lambda data: data.update(version=True), "says `version` is True, the file 1"),
        (lambda data: data.update(more=1), "has `more`, which is not in the file"),
        (lambda data: data.update(files=["other.gguf"]), r"says `files\[0\]` is 'other.gguf'"),
        (
            lambda data: data["options"].update(to="F32"),
            "says `options.to` is 'F32', the f",
        ),
        (lambda data: data.update(options=[]), r"says `options` is \[\], the file {"),
        (lambda data: data["tensors"].pop(), "has 10 `tensors`, the file 11"),
        (lambda data: data["tensors"][1].update(sha256="0" * 64), r"says `tensors\[1\].sha256` is"),
        (
            lambda data: data["tensors"][1]["shape"].clear(),
            r"has 0 `tensors\[1\].shape`",
        ),
        (lambda data: data["source"].update(repository="x/y"), "says `source.repository` is 'x/y'"),
        (lambda data: data.update(headers_sha256="0" * 64), "says `headers_sha256` is '000"),
    ],
)
def test_a_sidecar_that_says_something_else(tiny: Path, change: Change, message: str) -> None:
    sidecar = tiny.with_name("tiny.gguf.manifest.json")
    data = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps(data))  # laid out otherwise, but the same
    assert verify(tiny).ok
    change(data)
    sidecar.write_text(json.dumps(data))
    found = verify(tiny)
    assert found.sidecar_path == sidecar
    assert re.match(message, found.sidecar[0])
    assert found.file_ok
    assert not found.ok
    assert verify(tiny, sidecar=False).ok


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"", "is not valid JSON: Expecting value"),
        (b"[" * 100_000, "is not valid JSON: it is nested deeper"),
        (b"[]", "is an array, expected a JSON object"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b'{"a": 1, "a": 2}', "is not valid JSON: the key 'a' occurs twice"),
    ],
)
def test_a_sidecar_that_is_none(tiny: Path, content: bytes | None, message: str) -> None:
    sidecar = tiny.with_name("tiny.gguf.manifest.json")
    sidecar.unlink()
    if content is not None:
        sidecar.write_bytes(content)
    (problem,) = verify(tiny).sidecar
    assert problem.startswith(message)


def test_the_sidecar_of_another_file(tiny: Path, source: Path, tmp_path: Path) -> None:
    other = convert(source, tmp_path / "out.gguf", to="Q8_0", name="Tiny")
    sidecar = tiny.with_name("tiny.gguf.manifest.json")
    sidecar.write_bytes(other.manifest_path.read_bytes())
    assert verify(tiny).sidecar[-1] == "differs in more"


def test_the_sidecar_of_shards(source: Path, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out.gguf", split_size=1_000_000)
    assert verify(made.paths[0]).sidecar_path == made.manifest_path
    made.manifest_path.unlink()
    assert verify(made.paths[0]).sidecar == ("is missing",)


def test_another_source(path: Path, source: Path) -> None:
    shard = sorted(source.glob("*.safetensors"))[1]
    flip(shard, shard.stat().st_size - 2)  # the last tensor's last value
    config = source / "generation_config.json"
    config.write_text("{}")
    found = verify(path, rederive=source)
    assert found.changed_sources == (config.name, shard.name)
    assert found.not_rederived == ("output_norm.weight",)
    assert not found.metadata_rederived
    assert found.damaged == ()
    assert found.headers_match


def test_a_source_that_is_not_there(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        verify(path, rederive=tmp_path / "gone")


def test_shards(source: Path, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out.gguf", split_size=1_000_000)
    assert verify(made.paths[0], rederive=source).ok
    flip(made.paths[1], made.paths[1].stat().st_size // 2)
    found = verify(made.paths[0])
    assert len(found.damaged) == 1
    assert found.headers_match


def test_a_file_without_a_manifest(tmp_path: Path) -> None:
    path = Parts("llama", {}, {}).write(tmp_path / "x.gguf")
    with pytest.raises(UnsupportedError, match=r"x\.gguf has no manifest"):
        verify(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pestle.convert.options", "{", "is not valid JSON"),
        ("pestle.convert.options", 5, "expected a string"),
        ("pestle.convert.options", "[" * 100_000, "is not valid JSON: it is nested deeper"),
        ("pestle.convert.options", "[]", "is an array, expected a JSON object"),
        ("pestle.source.repository", 5, "key `pestle.source.repository` is 5, expected a string"),
        ("pestle.source.files", ["a", "b"], "do not go together"),
        ("pestle.source.sha256", 3, "is not a list of strings"),
        ("pestle.tensors.sha256", ["0"] * 3, "3 elements, expected one for each of 0"),
    ],
)
def test_a_manifest_that_is_wrong(key: str, value: object, message: str, tmp_path: Path) -> None:
    keys = {
        "pestle.version": "1",
        "pestle.convert.options": "{}",
        "pestle.source.files": ["a"],
        "pestle.source.sha256": ["0"],
        "pestle.tensors.sha256": ["0"],
        "pestle.headers.sha256": "0",
    }
    path = Parts("llama", {}, {}, general={**keys, key: value}).write(tmp_path / "x.gguf")
    with pytest.raises(FormatError, match=message):
        verify(path)


def test_options_of_another_version(path: Path, source: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"split_size"', b'"splat_size"'))
    with pytest.raises(FormatError, match="are of another version"):
        verify(path, rederive=source)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("to", 5),
        ("to", ["Q8_0"]),
        ("name", 5),
        ("split_size", "1"),
        ("split_size", True),
        ("tensor_types", "ffn=Q8_0"),
        ("tensor_types", [5]),
        ("allow_requantize", 1),
        ("target_bpw", None),
        ("other", None),
    ],
)
def test_options_are_of_their_types(key: str, value: Any) -> None:
    good = ConversionOptions(
        "Q8_0", "x", tensor_types=("ffn=Q8_0",), tokenizer_pre="qwen2", target_bpw=4.5
    )
    assert ConversionOptions.of_record(json.loads(json.dumps(good.record()))) == good
    with pytest.raises(ValueError, match="`"):
        ConversionOptions.of_record({**good.record(), key: value})
