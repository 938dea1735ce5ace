"""From GGUF to GGUF: the same bytes as from the checkpoint, and nothing lost on the way."""

from __future__ import annotations

import hashlib
import re
from itertools import cycle
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pestle
import pytest
from pestle._core import GgufFile
from pestle.conversion import api, convert, quantize, verify
from pestle.errors import ArgumentError, Error, FormatError, UnsupportedError
from pestle.quantization import dequantize_rows, quantize_rows
from pestle.tensors import plan as plan_module
from pestle.types import QUANTIZABLE

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES
from tests.unit.engine.parts import Parts, parts

EXPERTS = "blk.1.ffn_up_exps.weight"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    file = GgufFile(path)
    return {t.name: (t.type, t.shape, file.read(t.name).tobytes()) for t in file.tensors}


@pytest.fixture
def wide(source: Path, tmp_path: Path) -> Path:
    """The checkpoint as GGUF, without loss."""
    return convert(source, tmp_path / "wide.gguf", to="F32").paths[0]


@pytest.mark.parametrize("name", ["qwen3moe-256", "gptoss-256", "deepseek2-lite", "llama-tied"])
def test_the_way_over_a_file_changes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    source = checkpoint_folder.write(tmp_path / "s", case, checkpoints.weights(case))
    wide = convert(source, tmp_path / "wide.gguf", to="F32").paths[0]
    straight = convert(source, tmp_path / "straight.gguf", to="Q4_K_M").paths[0]
    monkeypatch.setattr(plan_module, "PIECE_BYTES", 50_000)
    made = quantize(wide, tmp_path / "out.gguf", "Q4_K_M")
    assert made.refusal is None
    assert made.requantized == {}
    assert contents(made.paths[0]) == contents(straight)
    ours, theirs = GgufFile(made.paths[0]), GgufFile(straight)
    for key in theirs.keys():  # noqa: SIM118
        if not key.startswith("pestle."):
            assert ours.encoded(key) == theirs.encoded(key), key
    assert [k for k in ours.keys() if k not in theirs.keys()] == []  # noqa: SIM118


def test_what_is_said_of_it(wide: Path, tmp_path: Path) -> None:
    made = pestle.quantize(wide, tmp_path / "out.gguf", "Q8_0")
    assert isinstance(made, pestle.Conversion)
    assert made.bytes_read == wide.stat().st_size
    assert made.bytes_written == made.paths[0].stat().st_size
    assert made.manifest.options == {"to": "Q8_0", "name": None, "split_size": 0}
    assert made.manifest.files == {"source.gguf": sha256(wide)}
    assert verify(made.paths[0], rederive=wide).ok
    assert not list(tmp_path.glob("*.partial*"))


def test_another_source_is_seen(wide: Path, tmp_path: Path) -> None:
    made = quantize(wide, tmp_path / "out.gguf", "Q8_0")
    data = bytearray(wide.read_bytes())
    tensor = next(t for t in GgufFile(wide).tensors if t.name == EXPERTS)
    data[tensor.offset + 3] ^= 0x80
    wide.write_bytes(data)
    found = verify(made.paths[0], rederive=wide)
    assert found.changed_sources == ("source.gguf",)
    assert found.not_rederived == (EXPERTS,)


def test_split_files(source: Path, wide: Path, tmp_path: Path) -> None:
    split = convert(source, tmp_path / "split.gguf", to="F32", split_size=3_000_000).paths
    assert len(split) > 2
    whole = quantize(wide, tmp_path / "a.gguf", "Q5_K_S")
    made = quantize(split[0], tmp_path / "b.gguf", "Q5_K_S", split_size=500_000)
    assert len(made.paths) > 2
    assert contents(made.paths[0]) == contents(whole.paths[0])
    n = len(split)
    assert made.manifest.files == {
        f"source-{i + 1:05}-of-{n:05}.gguf": sha256(path) for i, path in enumerate(split)
    }
    assert verify(made.paths[0], rederive=split[0]).ok
    again = quantize(split[0], tmp_path / "c.gguf", "Q5_K_S")
    assert "split.count" not in GgufFile(again.paths[0])


def test_metadata_of_every_type_is_kept(tmp_path: Path) -> None:
    model = parts("llama-tied")
    model.general = {
        "general.alignment": 64,
        "general.file_type": 1,
        "general.quantization_version": 2,
        "pestle.old": "gone",
        "a.float": 0.1,
        "a.negative": -5,
        "a.flags": [True, False],
        "a.texts": ["", "ß"],
        "a.text": "x",
    }
    path = model.write(tmp_path / "in.gguf")
    out, there = GgufFile(quantize(path, tmp_path / "o.gguf", "Q8_0").paths[0]), GgufFile(path)
    own = {key for key in out.keys() if key.startswith("pestle.")}  # noqa: SIM118
    assert "pestle.old" not in own
    assert "pestle.headers.sha256" in own
    assert set(there.keys()) - set(out.keys()) == {"general.alignment", "pestle.old"}
    assert set(out.keys()) - own <= set(there.keys())
    for key in set(out.keys()) - own - {"general.file_type"}:
        assert out.encoded(key) == there.encoded(key), key
    assert out["general.file_type"] == 7
    assert out.keys().index("general.file_type") == there.keys().index("general.file_type") - 1


def test_what_stays_is_copied_bit_for_bit(tmp_path: Path) -> None:
    """Norms of any type, whatever they hold; and matrices that have their type already."""
    model = parts("llama-tied")
    norm, matrix = "blk.0.attn_norm.weight", "blk.0.ffn_down.weight"
    model.tensors[norm] = np.full_like(model.tensors[norm], np.nan).astype(np.float16)
    model.quantize(matrix, "Q8_0")
    wide = contents(model.write(tmp_path / "in.gguf"))
    made = contents(quantize(tmp_path / "in.gguf", tmp_path / "out.gguf", "Q8_0").paths[0])
    assert made[norm] == wide[norm]
    assert made[matrix] == wide[matrix]
    assert made["blk.0.ffn_up.weight"][0] == "Q8_0" != wide["blk.0.ffn_up.weight"][0]


def test_every_type_is_widened_exactly(wide: Path, tmp_path: Path) -> None:
    """Each matrix of the model has another one."""
    matrices = [
        t.name
        for t in GgufFile(wide).tensors
        if len(t.shape) > 1 and not t.name.endswith("gate_inp.weight")
    ]
    assert len(matrices) >= len(QUANTIZABLE)
    rules = [
        f"^{re.escape(n)}$={kind}" for n, kind in zip(matrices, cycle(QUANTIZABLE), strict=False)
    ]
    narrow = quantize(wide, tmp_path / "n.gguf", "Q8_0", tensor_types=rules).paths[0]
    made = contents(quantize(narrow, tmp_path / "back.gguf", "F32").paths[0])
    found = set()
    for tensor in gguf.GGUFReader(narrow).tensors:
        found.add(tensor.tensor_type.name)
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert made[tensor.name][2] == values.astype(np.float32).tobytes(), tensor.name
    assert found == set(QUANTIZABLE)


def test_quantized_again_only_where_it_is_allowed(wide: Path, tmp_path: Path) -> None:
    once = quantize(wide, tmp_path / "once.gguf", "Q8_0").paths[0]
    with pytest.raises(
        Error,
        match=r"tensor `token_embd\.weight` is Q8_0 already: as Q4_K .*allow_requantize=True",
    ):
        quantize(once, tmp_path / "out.gguf", "Q4_K_S")
    assert not list(tmp_path.glob("out*"))
    made = quantize(once, tmp_path / "out.gguf", "Q4_K_S", allow_requantize=True)
    matrices = [t for t in GgufFile(once).tensors if t.type == "Q8_0"]
    assert made.requantized == {"Q8_0": len(matrices)}
    assert made.manifest.options["allow_requantize"] is True
    assert verify(made.paths[0], rederive=once).ok
    kind, shape, data = contents(once)[EXPERTS]
    packed = np.frombuffer(data, np.uint8).reshape(shape[1] * shape[2], -1)
    expected = quantize_rows("Q4_K", dequantize_rows(kind, packed))
    assert contents(made.paths[0])[EXPERTS][2] == expected.tobytes()


def test_floats_may_be_made_of_blocks(wide: Path, tmp_path: Path) -> None:
    once = quantize(wide, tmp_path / "once.gguf", "Q8_0").paths[0]
    made = quantize(once, tmp_path / "out.gguf", "BF16")
    assert made.requantized == {}
    assert {kind for kind, _, _ in contents(made.paths[0]).values()} == {"BF16", "F32"}


def _with_mxfp4() -> Parts:
    model = parts("llama-tied")
    for name in ("blk.0.ffn_up.weight", "blk.1.ffn_up.weight"):
        model.quantize(name, "MXFP4")
    return model


@pytest.mark.parametrize(("to", "then"), [("Q4_K_M", "MXFP4"), ("F16", "BF16"), ("F32", "F32")])
def test_mxfp4_stays_or_is_widened(to: str, then: str, tmp_path: Path) -> None:
    path = _with_mxfp4().write(tmp_path / "in.gguf")
    made = contents(quantize(path, tmp_path / "out.gguf", to).paths[0])
    kind, shape, data = made["blk.1.ffn_up.weight"]
    assert kind == then
    values = {t.name: t for t in gguf.GGUFReader(path).tensors}["blk.1.ffn_up.weight"]
    if then == "MXFP4":
        assert data == values.data.tobytes()
    else:
        exact = gguf.quants.dequantize(values.data, values.tensor_type).astype(np.float32)
        assert data == quantize_rows(then, exact.reshape(-1, shape[0])).tobytes()


def test_mxfp4_is_quantized_again_only_where_it_is_allowed(tmp_path: Path) -> None:
    path = _with_mxfp4().write(tmp_path / "in.gguf")
    rules = ["ffn_up=Q4_0"]
    with pytest.raises(Error, match=r"`blk\.0\.ffn_up\.weight` is MXFP4 already"):
        quantize(path, tmp_path / "out.gguf", "Q8_0", tensor_types=rules)
    made = quantize(path, tmp_path / "out.gguf", "Q8_0", tensor_types=rules, allow_requantize=True)
    assert made.requantized == {"MXFP4": 2}


def _architecture(model: Parts) -> None:
    model.architecture = "mamba"


def _heads(model: Parts) -> None:
    model.metadata["attention.head_count"] = "four"


def _type(model: Parts) -> None:
    model.tensors["blk.0.attn_norm.weight"] = np.zeros(256, np.int8)


def _missing(model: Parts) -> None:
    del model.tensors["blk.0.attn_q.weight"]


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (_architecture, UnsupportedError, "architecture 'mamba' is not known"),
        (_heads, FormatError, r"key `llama\.attention\.head_count` is 'four'"),
        (_type, UnsupportedError, r"tensor `blk\.0\.attn_norm\.weight` is I8, which is not read"),
        (_missing, FormatError, r"in\.gguf as GGUF: .*blk\.0\.attn_q\.weight"),
    ],
)
def test_files_that_are_not_quantized(
    edit: Any, error: type[Error], message: str, tmp_path: Path
) -> None:
    model = parts("llama-tied")
    edit(model)
    path = model.write(tmp_path / "in.gguf")
    with pytest.raises(error, match=message):
        quantize(path, tmp_path / "out.gguf", "Q8_0")
    assert [p.name for p in tmp_path.iterdir()] == ["in.gguf"]


def test_the_source_is_not_replaced(wide: Path, tmp_path: Path) -> None:
    before = sha256(wide)
    with pytest.raises(Error, match="is the source itself"):
        quantize(wide, tmp_path / "." / "wide.gguf", "Q8_0", overwrite=True)
    assert sha256(wide) == before


def test_a_source_that_is_removed_is_a_typed_error(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was opened, while a file stands where the new one goes."""
    out = tmp_path / "out.gguf"
    quantize(wide, out, "Q8_0")
    shard_paths = api.shard_paths  # type: ignore[attr-defined]

    def removing(path: Path, n_shards: int) -> list[Path]:
        wide.unlink()
        return shard_paths(path, n_shards)

    monkeypatch.setattr(api, "shard_paths", removing)
    with pytest.raises(Error, match=r"cannot read .*wide\.gguf"):
        quantize(wide, out, "Q4_0", overwrite=True)
    assert GgufFile(out)["general.file_type"] == 7


def test_paths_that_are_empty(tmp_path: Path) -> None:
    """`Path("")` is this folder."""
    for call, name in (
        (lambda: quantize("", tmp_path / "x.gguf", "Q4_0"), "source"),
        (lambda: quantize("x.gguf", "", "Q4_0"), "output"),
        (lambda: convert("", tmp_path / "x.gguf"), "source"),
        (lambda: convert(tmp_path, ""), "output"),
        (lambda: verify(""), "path"),
    ):
        with pytest.raises(ArgumentError, match=f"^{name} is '', expected a path$"):
            call()
