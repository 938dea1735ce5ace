"""Error and time of the quantizers beside llama.cpp's (package libgguf), on the same rows.

    python tools/compare_quantizers.py [--model FILE.gguf] [--types Q4_0,Q4_K] [--threads 1]

A line for each type, set of rows, and kind of importance: the squared error as a share of the
squared weights, each column times its importance, and nanoseconds a weight of the best of three
runs. Rows: Gaussian, Laplacian, Student's t with 4 degrees of freedom, and, of a model, the
attention and feed-forward matrices of four layers, dequantized. Importance is log-normal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import gguf
import libgguf
import numpy as np
import numpy.typing as npt
from pestle.quantization import quantize_rows
from pestle.types import FLOATS, QUANTIZABLE

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

QUANTIZED = tuple(kind for kind in QUANTIZABLE if kind not in FLOATS)
WIDTH = 1536  # columns of real rows: whole blocks of all types


class Result(NamedTuple):
    """What a quantizer does to some rows."""

    error: float  # sum of importance * (decoded - row)^2 over that of importance * row^2
    ns: float  # a weight


def drawn_rows(n: int = 64, columns: int = 2048, seed: int = 0) -> dict[str, Floats]:
    """Rows from distributions that weights are like, of the size that weights have."""
    rng = np.random.default_rng(seed)
    shape = (n, columns)
    draws = {
        "Gaussian": rng.standard_normal(shape),
        "Laplacian": rng.laplace(size=shape),
        "Student t4": rng.standard_t(4, shape),
    }
    return {name: (0.02 * draw).astype(np.float32) for name, draw in draws.items()}


def model_rows(path: Path, layers: tuple[int, ...] = (0, 7, 15, 29), n: int = 256) -> Floats:
    """Up to n rows of each matrix of some layers, dequantized and cut to WIDTH columns."""
    parts = []
    for tensor in gguf.GGUFReader(path).tensors:
        name = tensor.name.split(".")
        if name[0] == "blk" and int(name[1]) in layers and len(tensor.shape) == 2:
            values = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(-1)
            parts.append(values[: len(values) // WIDTH * WIDTH].reshape(-1, WIDTH)[:n])
    return np.concatenate(parts).astype(np.float32)


def importance_of(columns: int) -> Floats:
    """A log-normal importance of each column."""
    return np.exp(np.random.default_rng(1).standard_normal(columns)).astype(np.float32)


def error_of(kind: str, packed: Bytes, rows: Floats, importance: Floats | None) -> float:
    """The weighted squared error of rows that were packed, as a share of the squared rows."""
    decoded = gguf.dequantize(packed, gguf.GGMLQuantizationType[kind]).astype(np.float64)
    weights = np.ones(rows.shape[1]) if importance is None else importance.astype(np.float64)
    exact = rows.astype(np.float64)
    return float((weights * (decoded - exact) ** 2).sum() / (weights * exact**2).sum())


def ours(kind: str, rows: Floats, importance: Floats | None, threads: int = 1) -> Bytes:
    """Pestle's blocks."""
    return quantize_rows(kind, rows, importance=importance, threads=threads)


def theirs(kind: str, rows: Floats, importance: Floats | None, threads: int = 1) -> Bytes:
    """llama.cpp's blocks."""

    def one(part: Floats) -> Bytes:
        return np.asarray(libgguf.quantize_rows(part, gguf.GGMLQuantizationType[kind], importance))

    if threads == 1:
        return one(rows)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(one, np.array_split(rows, threads))))


def measure(
    quantizer: Callable[[str, Floats, Floats | None, int], Bytes],
    kind: str,
    rows: Floats,
    importance: Floats | None,
    threads: int,
) -> Result:
    """Error and time of a quantizer."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        packed = quantizer(kind, rows, importance, threads)
        best = min(best, time.perf_counter() - start)
    return Result(error_of(kind, packed, rows, importance), best / rows.size * 1e9)


def comparisons(
    kinds: tuple[str, ...], sets: dict[str, Floats], threads: int
) -> Iterator[tuple[str, str, bool, Result, Result]]:
    """Yield type, rows, whether importance was given, our result and theirs."""
    for kind in kinds:
        for name, rows in sets.items():
            for weighted in (False, True):
                importance = importance_of(rows.shape[1]) if weighted else None
                results = (measure(q, kind, rows, importance, threads) for q in (ours, theirs))
                yield kind, name, weighted, next(results), next(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--types", default=",".join(QUANTIZED))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    sets = drawn_rows(256)
    if options.model:
        sets["model"] = model_rows(options.model)
    print("type     rows        importance       error    llama.cpp  ratio     ns  llama.cpp")
    for kind, name, weighted, own, other in comparisons(
        tuple(options.types.split(",")), sets, options.threads
    ):
        ratio = own.error / other.error if other.error else float(own.error > 0) + 1
        print(
            f"{kind:8} {name:11} {'log-normal' if weighted else 'none':10} {own.error:12.5g} "
            f"{other.error:12.5g} {ratio:6.3f} {own.ns:6.2f} {other.ns:10.2f}"
        )


if __name__ == "__main__":
    main()
