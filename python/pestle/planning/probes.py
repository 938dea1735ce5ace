"""What this machine does in a second: measured with the engine's own kernels and threads, and kept.

What a plan asks for is measured once, for some milliseconds, and kept with its date for as long as
processor, kernels, threads and Pestle stay the same.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pestle import _core, files
from pestle.errors import Error
from pestle.models import models_dir
from pestle.planning import tiny_decoder
from pestle.untrusted_json import read_object

if TYPE_CHECKING:
    from pestle._core import AttentionWork, ProductWork

_VERSION: Final = 1
_LONGEST: Final = 4_000_000
_DAYS: Final = 30
"""After which a machine is measured again."""
_CACHED: Final = 64 << 20
"""Bytes that no last-level cache of a core's share holds: what is read beyond comes from DRAM."""
_LEAST_MEMORY: Final = 24
_MOST_MEMORY: Final = 29
"""Logarithms of the bytes of weights on which products are measured: of models that caches hold in
part, as many as they have; beyond half a GB nothing changes."""
_MOST_MATRIX: Final = 64 << 20
_UNDISTURBED: Final = 0.8
"""The share of their time that threads get, from which on a measurement is worth keeping."""
_PREFILL_ROWS: Final = 1024
_KEYS: Final = 2048
"""Positions whose attention is measured; that of others takes a proportional time."""


@dataclass(frozen=True)
class Threads:
    """How many decode, and how many read a prompt; 0: as many as the engine takes by itself."""

    decode: int = 0
    prefill: int = 0


class Probes:
    """Seconds that pieces of work take here. `now`: Unix time."""

    def __init__(
        self, threads: Threads, *, fresh: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        default = _core.cpu_info()["default_threads"]
        self.decode_threads = threads.decode or default
        self.prefill_threads = threads.prefill or self.decode_threads
        self._now = now
        self._path = models_dir().parent / "probes.json"
        self._machine = _machine()
        self._measured: dict[str, tuple[float, float]] = {}  # key -> (seconds, when)
        self._added = False
        self._wall = self._processor = 0.0  # seconds of all threads that decode, in products
        self._products: tuple[tuple[int, int], _core.ProductProbe] | None = None
        self.oldest = now()  # when the oldest of what was asked for was measured
        if not fresh:
            self._measured = _kept(self._path, self._machine, now() - _DAYS * 86400)

    def bandwidth(self) -> float:
        """Bytes a second that the threads that decode read from DRAM."""
        return 1 / self._get(
            f"dram {self.decode_threads}", lambda: 1 / _core.measure_bandwidth(self.decode_threads)
        )

    def product(self, work: ProductWork, rows: float, among: int) -> float:
        """Seconds of one product of `rows` rows with one matrix of a weight.

        among: the bytes of all weights that are read by turns, of which caches hold a part.
        """
        decoding = rows < 2
        batch = 1 if decoding else 1 << max(1, min(9, round(math.log2(rows))))
        most = max(32, int(_MOST_MATRIX * work.rows / work.bytes) // 32 * 32)
        measured = min(work.rows, most if decoding else _PREFILL_ROWS)
        threads = self.decode_threads if decoding else self.prefill_threads
        size = 1 << max(_LEAST_MEMORY, min(_MOST_MEMORY, round(math.log2(max(1, among)))))
        seconds = self._get(
            f"product {work.format} {work.wide:d} {measured}x{work.columns} "
            f"{batch} {threads} {size >> 20}",
            lambda: self._timed(
                self._probe(size, threads), (work.format, work.wide, measured, work.columns, batch)
            ),
        )
        return seconds * (work.rows / measured) * (rows / batch)

    def _timed(self, probe: _core.ProductProbe, product: tuple[str, bool, int, int, int]) -> float:
        wall, processor = time.perf_counter(), time.process_time()
        seconds = probe.seconds(*product)
        if product[-1] == 1:  # of others, one thread prepares a part
            self._wall += (time.perf_counter() - wall) * self.decode_threads
            self._processor += time.process_time() - processor
        return seconds

    @property
    def disturbed(self) -> bool:
        """Whether other programs had the processor while products were timed."""
        return self._processor < _UNDISTURBED * self._wall

    def _probe(self, size: int, threads: int) -> _core.ProductProbe:
        """One at a time, as it takes memory."""
        if self._products is None or self._products[0] != (size, threads):
            self._products = None
            self._products = ((size, threads), _core.ProductProbe(size, threads))
        return self._products[1]

    def layer(self, rows: int) -> float:
        """Seconds that a layer of a pass of `rows` tokens takes beside its products, of a decoder
        whose products give `tiny_decoder.WIDTH` values a token: norms, rotation, waiting."""
        threads = self.decode_threads if rows == 1 else self.prefill_threads
        return self._get(
            f"layer {rows} {threads}", lambda: tiny_decoder.layer_seconds(rows, threads)
        )

    def attention(self, work: AttentionWork, kv_type: str, rows: int) -> float:
        """Seconds that each position seen adds to the attention of `rows` tokens in one layer."""
        threads = self.decode_threads if rows == 1 else self.prefill_threads
        shape = f"{work.n_heads}/{work.n_kv_heads}x{work.k_dim}+{work.v_dim} {work.latent:d}"
        return self._get(
            f"attention {shape} {kv_type} {rows} {threads}",
            lambda: _attention_seconds(work, kv_type, rows, threads) / _KEYS,
        )

    def save(self) -> None:
        """Keep what was measured, unless that was disturbed; where the disk refuses, it is measured
        anew next time."""
        self._products = None  # and its memory
        if not self._added or self.disturbed:
            return
        data = {"version": _VERSION, "machine": self._machine, "measured": self._measured}
        with suppress(OSError):
            files.make_folders(self._path.parent)
            with files.placed(self._path, follow=False) as stream:
                stream.write(json.dumps(data, indent=1).encode())

    def _get(self, key: str, measure: Callable[[], float]) -> float:
        if key not in self._measured:
            self._measured[key] = (measure(), self._now())
            self._added = True
        seconds, when = self._measured[key]
        self.oldest = min(self.oldest, when)
        return seconds


def _machine() -> dict[str, str | int]:
    from pestle.version import own_version

    cpu = _core.cpu_info()
    return {
        "cpu": cpu["name"],
        "usable": cpu["usable"],
        "isa": _core.isa(),
        "pestle": own_version(),
    }


def _kept(
    path: Path, machine: dict[str, str | int], since: float
) -> dict[str, tuple[float, float]]:
    """What was measured on this machine since then; nothing where the file is damaged."""
    found = {}
    with suppress(Error, AttributeError, KeyError, TypeError, ValueError):
        data = read_object(path, _LONGEST)
        if (data.get("version"), data.get("machine")) != (_VERSION, machine):
            return {}
        for key, (seconds, when) in data["measured"].items():
            if 0 < float(seconds) < math.inf and float(when) >= since:
                found[key] = (float(seconds), float(when))
    return found


def _attention_seconds(work: AttentionWork, kv_type: str, rows: int, threads: int) -> float:
    """Seconds of the attention of the last `rows` of some positions in one layer."""
    import numpy as np

    chance = np.random.default_rng(0)
    k = chance.standard_normal((work.n_kv_heads, _KEYS, work.k_dim), np.float32)
    v = (
        k[..., : work.v_dim]
        if work.v_dim <= work.k_dim
        else np.resize(k, (*k.shape[:2], work.v_dim))
    )
    layers = max(1, min(16, _CACHED // (work.n_kv_heads * _KEYS * (work.k_dim + work.v_dim) * 2)))
    if rows > 1:
        layers = 1
    pages = _core.kernels.KvPages(k, v, kv_type, layers, work.latent)
    q = chance.standard_normal((rows, work.n_heads * work.k_dim), np.float32)
    scale = work.k_dim**-0.5
    best: float = min(pages.attend_tokens(q, scale, 0, [], threads, 1)[1] for _ in range(2))
    return best / layers
