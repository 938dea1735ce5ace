"""Loading: what a model says of itself, progress, and files that hold the same in another way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pestle import _core

from .feeding import fresh
from .parts import Parts, parts


def logits(file: Path | _core.GgufFile, threads: int = 1) -> bytes:
    engine = _core.Engine(_core.Model(file, threads=threads), threads=1)
    return fresh(engine, list(range(40))).tobytes()


def test_properties(tmp_path: Path) -> None:
    model_parts = parts()
    path = model_parts.write(tmp_path / "m.gguf")
    model = _core.Model(path)
    assert model.path == str(path)
    assert model.architecture == "llama"
    assert (model.n_vocab, model.n_ctx_train, model.n_layers, model.dim) == (101, 256, 2, 96)
    assert model.n_params == sum(t.size for t in model_parts.tensors.values())
    # 4 heads of 32 on 2, dim 96, ffn 128; rows are packed in 32s.
    layer = 96 * 128 + 2 * 96 * 64 + 128 * 96 + 3 * 96 * 128
    head = 96 * 128
    assert model.prefill_ops == 2 * 2 * layer
    assert model.decode_bytes == 4 * (2 * layer + head)
    embedding = 96 * 128
    norms_and_biases = 2 * (2 * 96 + 128 + 2 * 64 + 96 + 2 * 128 + 96) + 96
    assert model.weight_bytes == 4 * (2 * layer + head + embedding + norms_and_biases)


def test_paths(tmp_path: Path) -> None:
    path = parts().write(tmp_path / "modèle 模型.gguf")
    for given in (path, str(path)):
        assert _core.Model(given, threads=1).path == str(path)


@pytest.mark.parametrize("threads", [0, 1, 2, 3])
def test_threads_that_pack(tmp_path: Path, threads: int) -> None:
    path = parts().write(tmp_path / "m.gguf")
    assert logits(path, threads) == logits(path)


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0"])
def test_a_matrix_of_many_pieces(tmp_path: Path, kind: str) -> None:
    """Threads take 2 MB at a time, in smaller reads: each row of the output is in its place."""
    copies = 300 if kind == "Q8_0" else 100
    small, large = parts(), parts()
    large.tensors["output.weight"] = np.tile(small.tensors["output.weight"], (copies, 1))
    large.tensors["token_embd.weight"] = np.tile(small.tensors["token_embd.weight"], (copies, 1))
    for model in (small, large):
        for name in ("output.weight", "token_embd.weight"):
            model.quantize(name, kind)
    assert large.tensors["output.weight"].nbytes > 1.9e6
    expected = np.frombuffer(logits(small.write(tmp_path / "small.gguf")), np.float32)
    got = np.frombuffer(logits(large.write(tmp_path / "large.gguf"), threads=3), np.float32)
    np.testing.assert_array_equal(got.reshape(copies, -1), np.tile(expected, (copies, 1)))


PEAK = """
import sys
from pathlib import Path
from pestle import _core

def status(field):
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if field in l]
    return int(line.split()[1]) * 1024

before = status("VmRSS")
weights = _core.Model(sys.argv[1], threads=2).weight_bytes
print(weights, status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory(tmp_path: Path) -> None:
    """Neither the file nor what is read of it lies in memory beside the packed weights."""
    model = parts()
    for name in ("output.weight", "token_embd.weight"):
        model.tensors[name] = np.zeros((128_000, 96), np.float32)
    path = model.write(tmp_path / "m.gguf")
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
    )
    weights, peak = map(int, done.stdout.split())
    assert weights > 98e6
    assert weights < peak < 1.05 * weights


# Progress.


class Slow:
    """A callback that outlasts the pause between two reports, so that each piece is reported."""

    def __init__(self, calls: int = 1000) -> None:
        self.seen: list[tuple[int, int]] = []
        self.left = calls

    def __call__(self, done: int, total: int) -> bool:
        self.seen.append((done, total))
        self.left -= 1
        time.sleep(0.06)
        return self.left > 0


@pytest.mark.parametrize("threads", [1, 3])
def test_progress(tmp_path: Path, threads: int) -> None:
    path = parts().write(tmp_path / "m.gguf")
    progress = Slow()
    model = _core.Model(path, threads=threads, progress=progress)
    if threads == 1:
        assert len(progress.seen) == 2 * 7 + 2  # a piece for each of these small matrices
    assert [done for done, _ in progress.seen] == sorted({done for done, _ in progress.seen})
    (total,) = {total for _, total in progress.seen}
    assert progress.seen[-1][0] == total
    assert progress.seen[0][0] > 0
    assert 0.9 * model.weight_bytes < total <= model.weight_bytes


def test_progress_is_not_reported_all_the_time(tmp_path: Path) -> None:
    """Each waits for Python's lock, which the tokenizer's thread may hold for milliseconds."""
    path = parts().write(tmp_path / "m.gguf")
    seen: list[int] = []
    began = time.monotonic()
    _core.Model(path, threads=1, progress=lambda done, total: seen.append(done) is None)  # type: ignore[func-returns-value]
    assert len(seen) <= 2 + (time.monotonic() - began) / 0.05


def test_progress_cancels(tmp_path: Path) -> None:
    path = parts().write(tmp_path / "m.gguf")
    progress = Slow(calls=3)
    with pytest.raises(KeyboardInterrupt):
        _core.Model(path, threads=1, progress=progress)
    assert len(progress.seen) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_raises(tmp_path: Path, threads: int) -> None:
    path = parts().write(tmp_path / "m.gguf")
    calls = 0

    def progress(done: int, total: int) -> bool:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError("out of patience")

    with pytest.raises(ZeroDivisionError, match="out of patience"):
        _core.Model(path, threads=threads, progress=progress)
    assert calls == 1


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be cut there")
def test_file_cut_while_it_loads(tmp_path: Path) -> None:
    path = parts().write(tmp_path / "m.gguf")

    def progress(done: int, total: int) -> bool:
        os.truncate(path, 5000)
        return True

    with pytest.raises(_core.Error, match=r"m\.gguf: the file was cut while it was in use"):
        _core.Model(path, threads=1, progress=progress)


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be written to there")
def test_file_written_to_while_it_loads(tmp_path: Path) -> None:
    """Every byte can be read, but some are of another file."""
    path = parts().write(tmp_path / "m.gguf")
    os.utime(path, (1e9, 1e9))

    def progress(done: int, total: int) -> bool:
        with path.open("r+b") as stream:
            stream.seek(-4, os.SEEK_END)
            stream.write(b"\0\0\0\0")
        return True

    with pytest.raises(_core.Error, match=r"m\.gguf: the file was written to while it was in use"):
        _core.Model(path, threads=1, progress=progress)


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")
def test_file_replaced_while_it_is_open(tmp_path: Path) -> None:
    """The weights are those of the file that was opened, whatever its name leads to by now."""
    path = parts().write(tmp_path / "m.gguf")
    expected = logits(path)
    other = parts()
    other.tensors["output.weight"] = np.zeros_like(other.tensors["output.weight"])
    file = _core.GgufFile(path)
    other.write(tmp_path / "other.gguf").replace(path)
    assert logits(file) == expected
    assert logits(path) != expected


def test_damaged_file_is_not_loaded(tmp_path: Path) -> None:
    path = parts().write(tmp_path / "m.gguf")
    os.truncate(path, path.stat().st_size - 1)
    file = _core.GgufFile(path, damaged=True)
    with pytest.raises(_core.FormatError, match="the file is incomplete"):
        _core.Model(file, threads=1)


@pytest.mark.skipif(sys.platform == "win32", reason="raises SIGINT in this process")
def test_control_c(tmp_path: Path, ctrl_c: None) -> None:
    path = parts().write(tmp_path / "m.gguf")
    calls = 0

    def progress(done: int, total: int) -> bool:
        nonlocal calls
        calls += 1
        signal.raise_signal(signal.SIGINT)
        return True

    with pytest.raises(KeyboardInterrupt):
        _core.Model(path, progress=progress)
    assert calls == 1


# The same model, stored otherwise.


def fuse(model: Parts, layer: int, kind: str) -> None:
    """Puts q, k and v of a layer into one tensor."""
    names = [f"blk.{layer}.attn_{part}.{kind}" for part in "qkv"]
    fused = np.concatenate([model.tensors.pop(name) for name in names])
    model.tensors[f"blk.{layer}.attn_qkv.{kind}"] = fused


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("name", ["llama-biases", "llama-llama3-rope", "qwen2-yarn"])
def test_fused_qkv(tmp_path: Path, name: str, quantized: bool) -> None:
    split, fused = parts(name), parts(name)
    for kind in ("weight", "bias"):
        for layer in range(2):
            if f"blk.{layer}.attn_q.{kind}" in fused.tensors:
                fuse(fused, layer, kind)
    if quantized:
        for model in (split, fused):
            for tensor in [n for n in model.tensors if "attn_" in n and n.endswith("weight")]:
                if "norm" not in tensor:
                    model.quantize(tensor, "Q8_0")
    expected = logits(split.write(tmp_path / "split.gguf"))
    assert logits(fused.write(tmp_path / "fused.gguf")) == expected


def test_tied_output(tmp_path: Path) -> None:
    tied, untied = parts("llama-tied"), parts("llama-tied")
    untied.tensors["output.weight"] = untied.tensors["token_embd.weight"].copy()
    expected = logits(untied.write(tmp_path / "untied.gguf"))
    path = tied.write(tmp_path / "tied.gguf")
    assert logits(path) == expected
    small, large = _core.Model(path), _core.Model(tmp_path / "untied.gguf")
    assert small.decode_bytes == large.decode_bytes
    assert small.weight_bytes < large.weight_bytes


def test_an_output_of_its_own(tmp_path: Path) -> None:
    model = parts("llama-tied")
    tied = logits(model.write(tmp_path / "tied.gguf"))
    model.tensors["output.weight"] = model.tensors["token_embd.weight"][::-1].copy()
    untied = logits(model.write(tmp_path / "untied.gguf"))
    assert np.frombuffer(untied, np.float32)[::-1].tobytes() == tied


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_vectors_of_half_floats(tmp_path: Path, kind: str) -> None:
    stored, widened = parts(), parts()
    for name in [n for n, t in stored.tensors.items() if t.ndim == 1]:
        stored.quantize(name, kind)
        bits = stored.tensors[name].copy()
        if kind == "F16":
            widened.tensors[name] = bits.view(np.float16).astype(np.float32)
        else:
            widened.tensors[name] = (bits.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    expected = logits(widened.write(tmp_path / "f32.gguf"))
    assert logits(stored.write(tmp_path / "half.gguf")) == expected


def test_tensors_that_nothing_needs(tmp_path: Path) -> None:
    """Old files carry the frequencies that the metadata imply."""
    model = parts()
    expected = logits(model.write(tmp_path / "m.gguf"))
    model.tensors["blk.0.attn_rotary_emb.inv_freq"] = np.ones(16, np.float32)
    model.tensors["rotary_emb.inv_freq"] = np.ones(16, np.float32)
    assert logits(model.write(tmp_path / "more.gguf")) == expected


def test_defaults(tmp_path: Path) -> None:
    """Keys that may be absent: as many KV heads as heads, heads of dim / heads, base 10000."""
    model = parts("llama-tied")
    expected = logits(model.write(tmp_path / "m.gguf"))
    for key in (
        "attention.head_count_kv",
        "attention.key_length",
        "rope.dimension_count",
        "rope.freq_base",
    ):
        del model.metadata[key]
    assert logits(model.write(tmp_path / "less.gguf")) == expected


def test_arrays_that_do_not_differ(tmp_path: Path) -> None:
    model = parts()
    expected = logits(model.write(tmp_path / "m.gguf"))
    for key in ("attention.head_count", "attention.head_count_kv", "feed_forward_length"):
        model.metadata[key] = [model.metadata[key]] * 2
    assert logits(model.write(tmp_path / "arrays.gguf")) == expected


def test_features_that_are_off(tmp_path: Path) -> None:
    model = parts()
    expected = logits(model.write(tmp_path / "m.gguf"))
    model.metadata |= {"expert_count": 0, "attention.sliding_window": 0}
    assert logits(model.write(tmp_path / "off.gguf")) == expected


@pytest.mark.parametrize("n_rot", [2, 32, 64])
def test_part_of_a_head_turns(tmp_path: Path, n_rot: int) -> None:
    """qwen2 turns channel i with i + n_rot / 2; llama neighbours, so its rows are moved."""
    halves, pairs = parts("qwen2-256"), parts("qwen2-256")
    pairs.architecture = "llama"
    for model in (halves, pairs):
        model.metadata["rope.dimension_count"] = n_rot
    to = np.arange(64)
    turned = to[:n_rot]
    to[:n_rot] = 2 * (turned % (n_rot // 2)) + turned // (n_rot // 2)
    for name, values in pairs.tensors.items():
        if name.split(".")[-2] in ("attn_q", "attn_k"):
            moved = values.reshape(-1, 64, *values.shape[1:]).copy()
            moved[:, to] = moved.copy()
            pairs.tensors[name] = moved.reshape(values.shape)
    expected = logits(halves.write(tmp_path / "halves.gguf"))
    assert logits(pairs.write(tmp_path / "pairs.gguf")) == expected
    halves.metadata["rope.dimension_count"] = 48
    assert logits(halves.write(tmp_path / "other.gguf")) != expected
