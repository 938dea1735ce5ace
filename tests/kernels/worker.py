"""Computes everything in the instruction set that PESTLE_ISA names.

Usage: python -m tests.kernels.worker OUTPUT.npz

The output has an array for every product, attention and function, the name of the kernel set, and
`differences`: what should have been the same bits within this process, and was not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from pestle import _core

from . import attention, elementwise, products
from .attention import Attention
from .products import Product

KERNELS = _core.kernels
M = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 24)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


def product(case: Product) -> tuple[np.ndarray, list[str]]:
    """The product, and the ways to compute it that gave others."""
    packed = KERNELS.PackedMatrix(case.format, case.weights, case.columns)
    y, _ = packed.multiply(case.x)

    def ways() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for m in M:
            yield f"the first {m} rows", packed.multiply(case.x[:m])[0], y[:m]
        for m in range(1, packed.most_direct_rows + 1):
            yield f"{m} rows in strips", packed.multiply(case.x[:m], direct_rows=0)[0], y[:m]
            in_registers = packed.multiply(case.x[:m], direct_rows=m)[0]
            yield f"{m} rows in registers", in_registers, y[:m]
        yield "the last row alone", packed.multiply(case.x[-1:])[0], y[-1:]
        yield "another order", packed.multiply(case.x[::-1])[0][::-1], y
        for threads in (2, 3):
            for m in (1, 7, 24):
                where = f"{threads} threads, {m} rows"
                yield where, packed.multiply(case.x[:m], threads=threads)[0], y[:m]

    wrong = [f"{case.name}: {way}" for way, a, b in ways() if not same_bits(a, b)]
    return y, wrong


def pages_of(case: Attention, k: np.ndarray, v: np.ndarray) -> Any:
    return KERNELS.KvPages(k[None], v[None], case.kv_type, latent=case.latent)


def attend(case: Attention) -> tuple[np.ndarray, list[str]]:
    """The attention, and the ways to compute it that gave others."""
    pages = pages_of(case, case.k, case.v)
    settings = {"first_key": case.first_key, "sinks": case.sinks, "scale": case.scale}
    out = pages.attend(case.q, case.n_keys, **settings)
    wrong = [
        f"{case.name}: spans in {pieces} pieces"
        for pieces in (1, 2, 5)
        if not same_bits(pages.attend(case.q, case.n_keys, pieces=pieces, **settings), out)
    ]
    for i in range(len(case.n_keys)):
        begin, end = case.sees(i)
        k, v = case.k[:end].copy(), case.v[:end].copy()
        k[:begin], v[:begin] = np.nan, np.inf
        own = {
            "first_key": case.first_key[i : i + 1],
            "sinks": case.sinks[i : i + 1],
            "scale": case.scale,
        }
        alone = pages_of(case, k, v)
        one = alone.attend(case.q[i : i + 1], case.n_keys[i : i + 1], **own)
        if not same_bits(one, out[i : i + 1]):
            wrong.append(f"{case.name}: query {i} alone")
    return out, wrong


HEADS = ((1, 1), (2, 7), (3, 3), (1, 16), (2, 8))
LATENT_HEADS = ((1, 3), (1, 16), (1, 50))
"""KV heads, and query heads of each."""


def share(kv_type: str, window: int, latent: bool = False) -> tuple[np.ndarray, list[str]]:
    """All heads of the last tokens, and the shares of threads and steps that gave others."""
    rng = np.random.default_rng(window)
    outs, wrong = [], []
    for kv_heads, group in (LATENT_HEADS if latent else HEADS)[:: min(attention.EVERY, 3)]:
        k, v = (rng.standard_normal((kv_heads, 1100, 32), dtype=np.float32) for _ in range(2))
        q = rng.standard_normal((60, kv_heads * group * 32), dtype=np.float32)
        sinks = rng.standard_normal(kv_heads * group).tolist() if window else []
        pages = KERNELS.KvPages(k, v, kv_type, layers=2, latent=latent)
        out, _ = pages.attend_tokens(q, 0.2, window, sinks)
        outs.append(out)
        name = f"{kv_type} window {window} heads {kv_heads} x {group} latent {latent}"
        for threads in (2, 3, 8):
            for tokens in (1, 2, 9, 60):
                some, _ = pages.attend_tokens(q[-tokens:], 0.2, window, sinks, threads)
                if not same_bits(some, out[-tokens:]):
                    wrong.append(f"{name}: {threads} threads, {tokens} tokens")
        for token in (0, 17, 40):
            end = 1100 - 60 + token + 1
            before = KERNELS.KvPages(k[:, :end], v[:, :end], kv_type, latent=latent)
            one, _ = before.attend_tokens(q[token : token + 1], 0.2, window, sinks, 2)
            if not same_bits(one, out[token : token + 1]):
                wrong.append(f"{name}: token {token} alone")
        if group > KERNELS.MAX_QUERIES:
            continue
        single = KERNELS.KvPages(k[:1], v[:1], kv_type, latent=latent)
        first, width = 1100 - 60 + 1, group * 32
        ranges = [max(0, first - window) if window else 0] * group
        head = single.attend(
            q[0, :width].reshape(group, 32), [first] * group, ranges, sinks[:group], 0.2
        )
        if not same_bits(head.reshape(-1), out[0, :width].copy()):
            wrong.append(f"{name}: the first head by itself")
    return np.concatenate([out.reshape(-1) for out in outs]), wrong


def main() -> None:
    results: dict[str, np.ndarray] = {}
    differences: list[str] = []
    for case in products.all_products():
        results[case.name], wrong = product(case)
        differences += wrong
    for query in attention.all_attention():
        results[query.name], wrong = attend(query)
        differences += wrong
    for kv_type in attention.KV_TYPES:
        for window in (0, 200):
            results[f"share {kv_type} {window}"], wrong = share(kv_type, window)
            differences += wrong
    for kv_type in attention.LATENT_KV_TYPES:
        results[f"share latent {kv_type}"], wrong = share(kv_type, 0, latent=True)
        differences += wrong
    for _, query in attention.damaged():
        pages = pages_of(query, query.k, query.v)
        results[f"damaged {query.name}"] = pages.attend(query.q, query.n_keys)
    for name, x, w, eps in elementwise.norm_inputs():
        results[f"rms_norm {name}"] = KERNELS.rms_norm(x, w, eps)
    for activation in elementwise.ACTIVATIONS:
        results[activation] = KERNELS.gate_mul(activation, *elementwise.gates())
    for name, logits in elementwise.router_logits():
        results[f"softmax {name}"] = KERNELS.softmax(logits)
        results[f"sigmoid {name}"] = KERNELS.sigmoid(logits)
    # The softmax over one key is 1: what comes out is the value as it was stored.
    one = np.ones((1, 1), np.float32)
    numbers = attention.conversions()
    results["to f16"] = np.concatenate(
        [
            KERNELS.KvPages(one[None], x[None, None], "f16").attend(one, [1])
            for x in np.split(numbers, range(4096, len(numbers), 4096))  # rows as models have them
        ],
        axis=1,
    )
    for kv_type in ("i16", "q8_0"):
        results[f"to {kv_type}"] = np.concatenate(
            [
                KERNELS.KvPages(one[None], x[None, None], kv_type).attend(one, [1])
                for x in attention.rows()
            ]
        )
    np.savez(
        sys.argv[1],
        isa=np.array(_core.isa()),
        differences=np.array(differences, dtype=np.str_),
        **results,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main()
