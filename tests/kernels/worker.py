"""Computes everything in the instruction set that PESTLE_ISA names.

Usage: python -m tests.kernels.worker OUTPUT.npz

The output has an array for every product, attention and function, the name of the kernel set, and
`differences`: what should have been the same bits within this process, and was not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from pestle import _core

from . import attention, elementwise, products
from .attention import Attention
from .products import Product

KERNELS = _core.kernels
M = (1, 2, 3, 4, 5, 6, 7, 13, 24)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


def product(case: Product) -> tuple[np.ndarray, list[str]]:
    """The product, and the ways to compute it that gave others."""
    packed = KERNELS.Packed(case.format, case.weights, case.columns)
    y, _ = packed.multiply(case.x)

    def ways() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for m in M:
            yield f"the first {m} rows", packed.multiply(case.x[:m])[0], y[:m]
        yield "the last row alone", packed.multiply(case.x[-1:])[0], y[-1:]
        yield "another order", packed.multiply(case.x[::-1])[0][::-1], y
        for threads in (2, 3):
            for m in (1, 7, 24):
                where = f"{threads} threads, {m} rows"
                yield where, packed.multiply(case.x[:m], threads=threads)[0], y[:m]

    wrong = [f"{case.name}: {way}" for way, a, b in ways() if not same_bits(a, b)]
    return y, wrong


def attend(case: Attention) -> tuple[np.ndarray, list[str]]:
    """The attention, and the queries that have another result alone."""
    out = KERNELS.attend(case.q, case.k, case.v, case.n_keys, case.kv_type)
    wrong = []
    for i, n in enumerate(case.n_keys):
        q = case.q[i : i + 1]
        one = KERNELS.attend(q, case.k, case.v, [n], case.kv_type)
        exactly = KERNELS.attend(q, case.k[:n], case.v[:n], [n], case.kv_type)
        if not same_bits(one, out[i : i + 1]) or not same_bits(exactly, one):
            wrong.append(f"{case.name}: query {i} alone")
    return out, wrong


def main() -> None:
    results: dict[str, np.ndarray] = {}
    differences: list[str] = []
    for case in products.all_products():
        results[case.name], wrong = product(case)
        differences += wrong
    for query in attention.all_attention():
        results[query.name], wrong = attend(query)
        differences += wrong
    for name, x, w, eps in elementwise.norm_inputs():
        results[f"rms_norm {name}"] = KERNELS.rms_norm(x, w, eps)
    results["silu_mul"] = KERNELS.silu_mul(*elementwise.gates())
    # The softmax over one key is 1: what comes out is the value as it was stored.
    one = np.ones((1, 1), np.float32)
    numbers = attention.conversions()[None]
    results["to f16"] = KERNELS.attend(one, one, numbers, [1], "f16")
    np.savez(
        sys.argv[1],
        isa=np.array(_core.isa()),
        differences=np.array(differences, dtype=np.str_),
        **results,
    )


if __name__ == "__main__":
    main()
