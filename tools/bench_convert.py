"""How fast a checkpoint is converted, beside the disk and the quantizers alone.

Usage: python tools/bench_convert.py FOLDER [--shape dense|deepseek] [--gigabytes 2] [--to Q4_K_M]
       [--threads N] [--limit BYTES] [--repeats 3]     (from the repository's root)

Writes a random checkpoint into FOLDER: of bfloat16 in matrices as wide as a model of 4B, or of fp8
as wide as DeepSeek-V3. Reads are of files that the system has dropped from its cache, writes end
with fsync. The quantizers' time is that of every row of the new file. The slower of both is what a
conversion is measured by; where other processes run, compare the CPU's seconds, which all of its
work takes, with those of the quantizers. --limit: the data that a process may have (RLIMIT_DATA).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pestle.conversion import convert
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import open_source, plan_conversion
from pestle.quantization import quantize_rows

from tests.oracle import checkpoint_folder
from tests.oracle.cases import CASES
from tests.oracle.parameters import parameters_of

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": (
        "qwen3-256",
        {"hidden_size": 2560, "intermediate_size": 9728, "num_attention_heads": 32,
         "num_key_value_heads": 8, "head_dim": 128},
    ),
    "deepseek": (
        "deepseek3-256",
        {"hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
         "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536,
         "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
         "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 8,
         "topk_group": 4, "first_k_dense_replace": 1},
    ),
}  # fmt: skip
PART = 16 << 20
FP8 = 128


def numbers(rng: np.random.Generator, n: int) -> np.ndarray:
    """Bell-shaped float32: as many as are asked for, some of them again and again."""
    pool = rng.standard_normal(min(n, 1 << 24), np.float32)
    return np.resize(pool, n)


def parts_of(name: str, shape: tuple[int, ...], fp8: bool) -> Iterator[tuple[str, str, Any]]:
    """name, dtype and shape of what a parameter is stored as."""
    if fp8 and len(shape) == 2 and "embed" not in name and not name.endswith("gate.weight"):
        yield name, "F8_E4M3", shape
        yield f"{name}_scale_inv", "F32", tuple(-(-n // FP8) for n in shape)
    else:
        yield name, "BF16", shape


def write_checkpoint(folder: Path, shape: str, n_bytes: int) -> None:
    """As many layers as fit, in one file."""
    base, config = SHAPES[shape]
    fp8 = shape == "deepseek"
    case = CASES[base]
    case = replace(case, config={**case.config, **config})
    size, layers = 0, 1
    while size < n_bytes:
        layers += 1
        case = replace(case, config={**case.config, "num_hidden_layers": layers})
        size = sum((1 if fp8 else 2) * int(np.prod(p.shape)) for p in parameters_of(case).values())
    checkpoint_folder.write(folder, case, {}, shards=1)
    if fp8:
        path = folder / "config.json"
        quantization = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [FP8, FP8]}
        stated = json.loads(path.read_text()) | {"quantization_config": quantization}
        path.write_text(json.dumps(stated))
    header: dict[str, Any] = {}
    at = 0
    widths = {"F8_E4M3": 1, "BF16": 2, "F32": 4}
    for name, random in parameters_of(case).items():
        for part, dtype, dims in parts_of(name, random.shape, fp8):
            end = at + widths[dtype] * int(np.prod(dims))
            header[part] = {"dtype": dtype, "shape": dims, "data_offsets": [at, end]}
            at = end
    rng = np.random.default_rng(1)
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for entry in header.values():
            left = int(np.prod(entry["shape"]))
            while left:
                n = min(left, PART)
                stream.write(_stored(rng, entry["dtype"], n))
                left -= n
        os.fsync(stream.fileno())


_POOL: dict[str, bytes] = {}


def _stored(rng: np.random.Generator, dtype: str, n: int) -> bytes:
    """Random numbers of a dtype; the same ones, turned, for every part: they cost time."""
    width = {"F8_E4M3": 1, "BF16": 2, "F32": 4}[dtype]
    if dtype not in _POOL:
        values = numbers(rng, PART)
        if dtype == "BF16":
            _POOL[dtype] = (values * 0.02).view("<u4").__rshift__(16).astype("<u2").tobytes()
        elif dtype == "F8_E4M3":
            codes = rng.integers(0, 0x7E, PART, dtype=np.uint8)
            _POOL[dtype] = (codes | (values < 0).astype(np.uint8) << 7).tobytes()
        else:
            _POOL[dtype] = (1e-4 * (1 + abs(values))).astype("<f4").tobytes()
    begin = width * int(rng.integers(0, PART - n + 1))
    return _POOL[dtype][begin : begin + width * n]


def drop(path: Path) -> None:
    """Out of the system's cache."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_seconds(path: Path) -> float:
    drop(path)
    buffer = bytearray(PART)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass
    return time.perf_counter() - began


def write_seconds(path: Path, n_bytes: int) -> float:
    data = os.urandom(PART)
    began = time.perf_counter()
    with path.open("wb", buffering=0) as stream:
        for at in range(0, n_bytes, PART):
            stream.write(data[: n_bytes - at])
        os.fsync(stream.fileno())
    seconds = time.perf_counter() - began
    path.unlink()
    return seconds


def quantizer_seconds(outputs: Any, threads: int) -> tuple[float, float]:
    """Of all rows of the new file, from what some of each type take: elapsed, and of all cores."""
    rows = numbers(np.random.default_rng(2), 1 << 24).reshape(-1, 2048)
    counts: Counter[str] = Counter()
    for output in outputs:
        counts[output.type] += int(np.prod(output.shape))
    seconds = cpu_seconds = 0.0
    for kind, n in counts.items():
        sample = rows[: max(1, min(len(rows), n // 2048))]
        began, cpu = time.perf_counter(), time.process_time()
        quantize_rows(kind, sample, threads=threads)
        seconds += (time.perf_counter() - began) * n / sample.size
        cpu_seconds += (time.process_time() - cpu) * n / sample.size
    return seconds, cpu_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--shape", choices=SHAPES, default="dense")
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--to", default="Q4_K_M")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    source = options.folder / "source"
    if not source.is_dir():
        write_checkpoint(source, options.shape, int(options.gigabytes * 1e9))
    if options.limit:
        resource.setrlimit(resource.RLIMIT_DATA, (options.limit, resource.RLIM_INFINITY))
    weights, out = source / "model.safetensors", options.folder / "out.gguf"
    plan = plan_conversion(open_source(source), ConversionOptions(options.to))
    n_out = sum(output.nbytes for output in plan.tensors.outputs)
    n_in = weights.stat().st_size
    print(f"{n_in / 1e9:.2f} GB to {n_out / 1e9:.2f} GB of {options.to}")
    for _ in range(options.repeats):
        reading = read_seconds(weights)
        writing = write_seconds(options.folder / "probe", n_out)
        quantizing, quantizing_cpu = quantizer_seconds(plan.tensors.outputs, options.threads)
        drop(weights)
        began, cpu = time.perf_counter(), time.process_time()
        convert(source, out, to=options.to, overwrite=True, threads=options.threads)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        slower = max(reading + writing, quantizing)
        print(
            f"read {n_in / reading / 1e9:.2f} GB/s, write {n_out / writing / 1e9:.2f} GB/s: "
            f"{reading + writing:.1f} s; quantizers {quantizing:.1f} s (of CPU "
            f"{quantizing_cpu:.1f}); all {seconds:.1f} s (of CPU {cpu:.1f}): "
            f"{slower / seconds:.0%} of the slower one's speed",
            flush=True,
        )
    status = Path("/proc/self/status").read_text()
    print(f"peak {int(status.partition('VmHWM:')[2].split()[0]) * 1024 / 1e6:.0f} MB resident")
    print("sha256", hashlib.sha256(out.read_bytes()).hexdigest())
    out.unlink()


if __name__ == "__main__":
    main()
