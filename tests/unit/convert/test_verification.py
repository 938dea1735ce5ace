"""A file against its manifest, and against its source."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from pestle._core import GgufFile
from pestle.convert import convert, verify
from pestle.errors import FormatError, ModelNotFoundError, UnsupportedError

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
        digest = hashlib.sha256(file.data(tensor.name).tobytes()).hexdigest()
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
        ("pestle.convert.options", "{", "is no JSON"),
        ("pestle.convert.options", 5, "expected a string"),
        ("pestle.source.files", ["a", "b"], "do not go together"),
        ("pestle.source.sha256", 3, "is no list of strings"),
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
