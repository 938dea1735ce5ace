"""The file that comes out: whole, the same bytes however it was made, or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert
from pestle.errors import Error, FormatError, UnsupportedError
from pestle.tensors import plan as plan_module

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoint_folder import safetensors, stored
from tests.oracle.checkpoints import CASES
from tests.oracle.narrow_sources import e4m3, fp8

Q_PROJ = "model.layers.0.self_attn.q_proj.weight"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change(source: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Write the tensors of a checkpoint anew, in one file, after `edit` of them."""
    tensors = {}
    for path in sorted(source.glob("*.safetensors")):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__")
        for name, entry in header.items():
            begin, end = (8 + length + at for at in entry["data_offsets"])
            tensors[name] = (entry["dtype"], tuple(entry["shape"]), data[begin:end])
        path.unlink()
    (source / "model.safetensors.index.json").unlink(missing_ok=True)
    edit(tensors)
    (source / "model.safetensors").write_bytes(safetensors(tensors))


def test_what_is_written(source: Path, tmp_path: Path) -> None:
    made = convert(source, tmp_path / "out.gguf", to="Q8_0")
    assert made.paths == (tmp_path / "out.gguf",)
    assert made.bytes_written == made.paths[0].stat().st_size
    assert made.refusal is None
    assert not made.resumed
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "out.gguf",
        "out.gguf.manifest.json",
        "source",
    ]
    file = GgufFile(made.paths[0])
    types = [tensor.type for tensor in file.tensors]
    assert made.types == {kind: types.count(kind) for kind in set(types)}
    assert file["general.sampling.temp"] == pytest.approx(0.7)
    assert file["general.sampling.top_k"] == 20
    assert file["tokenizer.chat_template"] == "{{ messages }}"
    names = [tensor.name for tensor in file.tensors]
    assert names[0] == "token_embd.weight"
    assert names[-2:] == ["output.weight", "output_norm.weight"]


def test_the_package_is_the_function(source: Path, tmp_path: Path) -> None:
    import pestle

    made = pestle.convert(source, tmp_path / "out.gguf", to="F16")
    assert isinstance(made, pestle.Conversion)
    assert pestle.verify(made.paths[0]).ok


def test_another_reader_reads_the_same(source: Path, tmp_path: Path) -> None:
    path = convert(source, tmp_path / "out.gguf", to="F32", name="Tiny").paths[0]
    reader = gguf.GGUFReader(path)
    assert reader.fields["general.name"].contents() == "Tiny"
    ours = GgufFile(path)
    for tensor in reader.tensors:
        assert ours.read(tensor.name).tobytes() == tensor.data.tobytes()
    assert len(reader.tensors) == len(ours.tensors)


@pytest.mark.parametrize("to", ["F16", "BF16", "Q8_0"])
def test_bytes_do_not_depend_on_pieces_threads_or_shards(
    to: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sha256(convert(source, tmp_path / "a.gguf", to=to, threads=1).paths[0])
    monkeypatch.setattr(plan_module, "PIECE_BYTES", 5000)
    assert sha256(convert(source, tmp_path / "b.gguf", to=to, threads=3).paths[0]) == first


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_narrower_sources(dtype: str, tmp_path: Path) -> None:
    """To F32 nothing is lost, and back to the same type the same bytes come out."""
    case = CASES["qwen2-256"]
    parameters = checkpoints.weights(case)
    source = checkpoint_folder.write(tmp_path / "s", case, parameters, dtype)
    wide = GgufFile(convert(source, tmp_path / "wide.gguf", to="F32").paths[0])
    same = GgufFile(convert(source, tmp_path / "same.gguf", to=dtype).paths[0])
    _, _, data = stored(parameters[Q_PROJ], dtype)
    assert same.read("blk.0.attn_q.weight").tobytes() == data
    values = wide.read("blk.0.attn_q.weight").view("<f4")
    kind = gguf.GGMLQuantizationType[dtype]
    raw = np.frombuffer(data, np.float16 if dtype == "F16" else np.uint8)
    expected = gguf.quants.dequantize(raw.reshape(len(parameters[Q_PROJ]), -1), kind)
    assert values.reshape(expected.shape).tolist() == expected.tolist()


def test_fp8_with_scales_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 columns and rows: the last blocks are partial."""
    case = CASES["qwen2-256"]
    case = replace(case, config={**case.config, "intermediate_size": 300})
    source = checkpoint_folder.write(tmp_path / "s", case, checkpoints.weights(case))
    names = {"down_proj": "blk.1.ffn_down.weight", "up_proj": "blk.1.ffn_up.weight"}
    expected = {}

    def edit(tensors: dict[str, Any]) -> None:
        for theirs, ours in names.items():
            name = f"model.layers.1.mlp.{theirs}.weight"
            numbers, scales = fp8(checkpoints.weights(case)[name])
            tensors[name], tensors[f"{name}_scale_inv"] = numbers, scales
            codes = np.frombuffer(numbers[2], np.uint8).reshape(numbers[1])
            by_value = np.kron(
                np.frombuffer(scales[2], "<f4").reshape(scales[1]), np.ones((128, 128), np.float32)
            )
            exact = np.vectorize(e4m3)(codes).astype(np.float32)
            expected[ours] = exact * by_value[: codes.shape[0], : codes.shape[1]]

    change(source, edit)
    monkeypatch.setattr(plan_module, "PIECE_BYTES", 1)
    file = GgufFile(convert(source, tmp_path / "out.gguf", to="F32").paths[0])
    for name, values in expected.items():
        assert file.read(name).view("<f4").reshape(values.shape).tolist() == values.tolist()


def _mxfp4(source: Path) -> dict[str, np.ndarray]:
    """Random MXFP4 experts in a gpt-oss checkpoint: their values by GGUF's name, layer 0."""
    rng = np.random.default_rng(1)
    table = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    table = np.concatenate([table, -table])
    values = {}

    def edit(tensors: dict[str, Any]) -> None:
        for name in [n for n in tensors if n.endswith(("gate_up_proj", "down_proj"))]:
            _, (n, columns, rows), _ = tensors.pop(name)
            blocks = rng.integers(0, 256, (n, rows, columns // 32, 16), dtype=np.uint8)
            scales = rng.integers(110, 130, (n, rows, columns // 32), dtype=np.uint8)
            tensors[f"{name}_blocks"] = stored(blocks, "U8")
            tensors[f"{name}_scales"] = stored(scales, "U8")
            codes = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(n, rows, -1, 32)
            exact = table[codes] * np.exp2(scales.astype(np.float32) - 127)[..., None]
            values[name] = exact.reshape(n, rows, columns)

    change(source, edit)
    gate_up = values["model.layers.0.mlp.experts.gate_up_proj"]
    return {
        "blk.0.ffn_gate_exps.weight": gate_up[:, 0::2],
        "blk.0.ffn_up_exps.weight": gate_up[:, 1::2],
        "blk.0.ffn_down_exps.weight": values["model.layers.0.mlp.experts.down_proj"],
    }


@pytest.mark.parametrize("to", ["Q8_0", "F32", "F16", "BF16"])
def test_mxfp4_is_kept_or_widened_without_loss(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["gptoss-256"]
    source = checkpoint_folder.write(tmp_path / "s", case, checkpoints.weights(case))
    expected = _mxfp4(source)
    monkeypatch.setattr(plan_module, "PIECE_BYTES", 1)
    made = convert(source, tmp_path / "out.gguf", to=to)
    assert made.refusal is None
    for tensor in gguf.GGUFReader(made.paths[0]).tensors:
        if tensor.name not in expected:
            continue
        assert tensor.tensor_type.name == {"Q8_0": "MXFP4", "F16": "BF16"}.get(to, to)
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert values.tolist() == expected.pop(tensor.name).tolist()
    assert not expected


def test_shards(source: Path, tmp_path: Path) -> None:
    whole = GgufFile(convert(source, tmp_path / "whole.gguf", to="Q8_0").paths[0])
    made = convert(source, tmp_path / "out.gguf", to="Q8_0", split_size=1_000_000)
    n = len(made.paths)
    assert n > 2
    assert made.paths[0].name == f"out-00001-of-{n:05}.gguf"
    split = GgufFile(made.paths[0])
    assert len(split.paths) == n
    assert [t.name for t in split.tensors] == [t.name for t in whole.tensors]
    for tensor in whole.tensors:
        assert split.read(tensor.name).tobytes() == whole.read(tensor.name).tobytes()
    assert [t.type for t in split.tensors] == [t.type for t in whole.tensors]


def test_a_finished_file_is_not_replaced_unasked(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    path.write_bytes(b"good")
    with pytest.raises(Error, match=r"out\.gguf is there already"):
        convert(source, path)
    assert path.read_bytes() == b"good"
    convert(source, path, overwrite=True)
    assert path.read_bytes()[:4] == b"GGUF"


def _nan(tensors: dict[str, Any]) -> None:
    dtype, shape, data = tensors[Q_PROJ]
    tensors[Q_PROJ] = dtype, shape, data[:-4] + np.float32(np.nan).tobytes()


def _large(tensors: dict[str, Any]) -> None:
    dtype, shape, data = tensors[Q_PROJ]
    tensors[Q_PROJ] = dtype, shape, data[:-4] + np.float32(1e6).tobytes()


def _swapped(tensors: dict[str, Any]) -> None:
    dtype, shape, data = tensors[Q_PROJ]
    tensors[Q_PROJ] = dtype, (shape[0] // 2, shape[1] * 2), data


def _narrow_expert(tensors: dict[str, Any]) -> None:
    name = "model.layers.1.mlp.experts.3.up_proj.weight"
    tensors[name] = stored(np.zeros((256, 128)))


def _short_embedding(tensors: dict[str, Any]) -> None:
    tensors["model.embed_tokens.weight"] = stored(np.zeros((7, 256)))


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (_nan, FormatError, f"tensor `{Q_PROJ}`: .*is not finite"),
        (_large, FormatError, f"tensor `{Q_PROJ}`: .*1e\\+06.*F16"),
        (_swapped, FormatError, r"blk\.0\.attn_q\.weight.* shape"),
        (_narrow_expert, FormatError, r"experts\.3\.up_proj.*\[256, 128\], .*\[256, 256\]"),
        (_short_embedding, FormatError, "has 7 rows, expected 103"),
        (lambda t: t.pop(Q_PROJ), FormatError, r"blk\.0\.attn_q\.weight` is missing"),
        (
            lambda t: t.pop("model.layers.0.mlp.experts.2.up_proj.weight"),
            FormatError,
            r"ffn_up_exps\.weight needs experts 0 to 6",
        ),
        (
            lambda t: t.update({"model.layers.0.mlp.new.weight": stored(np.zeros(3))}),
            FormatError,
            r"tensor `model\.layers\.0\.mlp\.new\.weight` is not part of qwen3moe",
        ),
        (
            lambda t: t.update({"model.norm.weight": stored(np.zeros(256), "U8")}),
            UnsupportedError,
            r"tensor `model\.norm\.weight` is U8",
        ),
    ],
)
def test_checkpoints_that_are_wrong(
    edit: Any, error: type[Error], message: str, source: Path, tmp_path: Path
) -> None:
    change(source, edit)
    path = tmp_path / "out.gguf"
    path.write_bytes(b"good")
    with pytest.raises(error, match=message):
        convert(source, path, to="F16", overwrite=True)
    assert path.read_bytes() == b"good"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "mamba"}, "model_type `mamba` is not known"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "rope type 'longrope'"),
    ],
)
def test_models_that_are_not_converted(config: Any, message: str, source: Path) -> None:
    path = source / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    with pytest.raises(UnsupportedError, match=message):
        convert(source)


def test_a_model_that_pestle_does_not_run(tmp_path: Path) -> None:
    """Other programs may: it is converted, and the reason told."""
    case = CASES["qwen3-256"]
    source = checkpoint_folder.write(tmp_path / "s", case, checkpoints.weights(case))
    name = "model.layers.0.self_attn.o_proj.bias"
    change(source, lambda tensors: tensors.update({name: stored(np.zeros(256))}))
    made = convert(source, tmp_path / "out.gguf")
    assert made.paths[0].exists()


def test_a_type_that_is_unknown(source: Path) -> None:
    with pytest.raises(UnsupportedError, match="cannot convert to 'Q9', expected F32, F16"):
        convert(source, to="Q9")


def test_a_folder_that_is_not_there(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Error, match="gone is not a folder"):
        convert(source, tmp_path / "gone" / "out.gguf")


def test_a_shard_that_is_cut_meanwhile(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pestle.conversion import passes

    def cut(*args: Any, **kwargs: Any) -> Any:
        shard = sorted(source.glob("*.safetensors"))[1]
        with shard.open("r+b") as stream:
            stream.truncate(shard.stat().st_size - 1000)
        return read(*args, **kwargs)

    read = passes.read_source  # type: ignore[attr-defined]
    monkeypatch.setattr(passes, "read_source", cut)
    with pytest.raises(
        FormatError, match=r"model-00002-of-00002\.safetensors was changed or replaced"
    ):
        convert(source, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


LIMITED = """
import resource, signal, sys
from pestle.conversion import convert
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
try:
    convert(sys.argv[1], sys.argv[2], overwrite=True)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_full_disk(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.gguf"
    path.write_bytes(b"good")
    command = [sys.executable, "-c", LIMITED, str(source), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Error no space left for {path}"), done.stdout
    assert path.read_bytes() == b"good"


def test_a_disk_that_fills_up(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pestle.conversion.partial import PartialFiles

    class Full:
        """A file that takes 500,000 bytes."""

        def __init__(self, stream: Any) -> None:
            self._stream, self._left = stream, 500_000

        def write(self, data: memoryview) -> int:
            if self._left < len(data):
                raise OSError(errno.ENOSPC, "No space left on device")
            self._left -= len(data)
            return int(self._stream.write(data))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    def limited(self: PartialFiles, *args: Any, **kwargs: Any) -> None:
        opened(self, *args, **kwargs)
        self._streams[:] = [Full(stream) for stream in self._streams]  # type: ignore[misc]

    opened, path = PartialFiles.begin, tmp_path / "out.gguf"
    with monkeypatch.context() as patch:
        patch.setattr(PartialFiles, "begin", limited)
        with pytest.raises(Error, match=r"no space left for .*; the same command goes on"):
            convert(source, path)
    assert not path.exists()
    convert(source, path)
    assert sha256(path) == sha256(convert(source, tmp_path / "undisturbed.gguf").paths[0])


def test_too_little_space_is_seen_before(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: (10**6, 10**6 - 1000, 1000))
    with pytest.raises(Error, match=r"not enough space in .*: .* are needed, 1,000 are free"):
        convert(source, tmp_path / "out.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="the administrator reads everything"
)
def test_a_shard_that_may_not_be_read(source: Path, tmp_path: Path) -> None:
    shard = sorted(source.glob("*.safetensors"))[1]
    shard.chmod(0)
    with pytest.raises(Error, match=rf"cannot read .*{shard.name}: Permission denied"):
        convert(source, tmp_path / "out.gguf")


def test_two_at_once(source: Path, tmp_path: Path) -> None:
    from pestle.conversion.partial import Workplace

    path = tmp_path / "out.gguf"
    with (
        Workplace(path).hold(),
        pytest.raises(Error, match=r"another process is writing .*out\.gguf"),
    ):
        convert(source, path)


def test_progress_covers_every_byte(source: Path, tmp_path: Path) -> None:
    class Tasks:
        def __init__(self) -> None:
            self.found: list[tuple[str, int | None]] = []
            self.done: list[int] = []

        def start(self, label: str, total_bytes: int | None) -> None:
            self.found.append((label, total_bytes))
            self.done.append(0)

        def advance(self, n: int) -> None:
            self.done[-1] += n

        def finish(self) -> None:
            pass

    tasks = Tasks()
    convert(source, tmp_path / "out.gguf", progress=tasks)
    assert [label for label, _ in tasks.found] == ["Converting", "Hashing"]
    assert tasks.done == [total for _, total in tasks.found]


@pytest.mark.parametrize("name", ["journal", "lock", "check", "out", "a.journal"])
def test_outputs_that_are_called_like_what_lies_beside(
    name: str, source: Path, tmp_path: Path
) -> None:
    wanted = sha256(convert(source, tmp_path / "plain.gguf").paths[0])
    assert sha256(convert(source, tmp_path / name).paths[0]) == wanted
    assert not list(tmp_path.glob("*.partial*"))


def test_an_output_that_the_folder_needs_itself(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"\.pestle-work cannot be the name of an output"):
        convert(source, tmp_path / ".pestle-work")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_what_others_call_partial_stays(source: Path, tmp_path: Path) -> None:
    """Kin of A1: a file `out.gguf.partial` of another program was overwritten."""
    partial = tmp_path / "out.gguf.partial"
    partial.write_bytes(b"a browser's")
    with pytest.raises(Error, match=r"partial: it is there and not Pestle's; move it away"):
        convert(source, tmp_path / "out.gguf")
    assert partial.read_bytes() == b"a browser's"
    partial.unlink()
    manifest = tmp_path / "out.gguf.manifest.json"
    manifest.write_bytes(b'{"mine": 1}')
    with pytest.raises(Error, match=r"manifest\.json is there already"):
        convert(source, tmp_path / "out.gguf")
    assert manifest.read_bytes() == b'{"mine": 1}'


def test_the_first_look_that_the_system_refuses(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: object) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("pestle.files.WorkFolder.is_begun", refused)
    with pytest.raises(Error, match=r"cannot write .*out\.gguf: Input/output error"):
        convert(source, tmp_path / "out.gguf")
