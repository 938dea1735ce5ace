"""From a source's pieces to the bytes of the new tensors: read ahead, encode, hand on."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np

from pestle.errors import FormatError, QuantizeError
from pestle.tensors.encode import Bytes, TensorImportance, encoded, mxfp4_blocks, widened
from pestle.tensors.plan import Output, TensorShare
from pestle.tensors.plan_importance import PlanImportance
from pestle.tensors.reading import FileRead, TensorPiece
from pestle.tensors.transforms import Array, Config

T = TypeVar("T")
DEPTH = 2
"""Pieces that wait to be encoded."""


class OutputBytes(NamedTuple):
    """Bytes of a new tensor, from `start` on."""

    output: Output
    start: int
    data: Bytes


def encode_piece(
    piece: TensorPiece, config: Config, threads: int, importance: PlanImportance | None = None
) -> Iterator[OutputBytes]:
    """What a piece gives to each new tensor. FormatError names a value that has no place."""
    source = piece.job.source
    blocks: Array | None = None
    floats: Array | None = None
    for share in piece.job.shares:
        start = share.start + piece.begin * share.nbytes // piece.job.rows
        if share.copied:
            data = piece.numbers
        elif source.encoding == "mxfp4" and share.output.type == "MXFP4":
            assert piece.scales is not None
            if blocks is None:
                blocks = mxfp4_blocks(source, piece.numbers, piece.scales)
            data = _transformed(share, blocks, piece, config).reshape(-1)
        else:
            if floats is None:
                floats = widened(source, piece.numbers, piece.scales, threads)
            values = _transformed(share, floats, piece, config)
            weights = importance.of(share.output) if importance is not None else None
            try:
                data = _encoded(share, start, values, threads, weights)
            except QuantizeError as error:
                raise FormatError(f"{source.numbers}: {error}") from error
        yield OutputBytes(share.output, start, data)


def _encoded(
    share: TensorShare, start: int, values: Array, threads: int, weights: TensorImportance | None
) -> Bytes:
    rows = values.reshape(-1, values.shape[-1])
    row = start * math.prod(share.output.shape[:-1]) // share.output.nbytes
    return encoded(share.output.type, rows, threads, weights, row)


def _transformed(share: TensorShare, values: Array, piece: TensorPiece, config: Config) -> Array:
    group = share.transform.group(piece.job.source.shape[0], config)
    return np.ascontiguousarray(share.transform.apply(values, group, config))


@contextmanager
def read_ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """The items, made by a thread of their own that is a few ahead; what it raises comes out."""
    waiting: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(DEPTH)
    stop = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> None:
        while not stop.is_set():
            try:
                waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if stop.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:
            put((None, error))

    def received() -> Iterator[T]:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item

    thread = threading.Thread(target=work, name="pestle-read", daemon=True)
    thread.start()
    try:
        yield received()
    finally:
        stop.set()
        thread.join()


__all__ = ["DEPTH", "FileRead", "OutputBytes", "encode_piece", "read_ahead"]
