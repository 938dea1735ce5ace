"""What tensors take in memory on their way from a source to a file."""

from __future__ import annotations

import math
from typing import Final

from pestle.tensors.pipeline import DEPTH
from pestle.tensors.plan import Job, TensorPlan

_MXFP4: Final = 24
"""Bytes a value of a checkpoint's MXFP4, where it is widened: codes, two doubles, a float."""


def piece_bytes(plan: TensorPlan) -> int:
    """Bytes of all pieces that are in memory at once: read ahead, encoded, and being written."""
    return max((_bytes_of(job) for job in plan.jobs.values()), default=0)


def _bytes_of(job: Job) -> int:
    rows = next(end - begin for begin, end in job.pieces())
    source = job.source
    read = rows * source.numbers.nbytes // source.shape[0]
    if source.scales is not None:
        read += rows * source.scales.nbytes // source.scales.shape[0]
    n_values = rows * math.prod(source.shape[1:])
    # Behind those that wait, one is being read and one encoded.
    found = (DEPTH + 2) * read
    if all(share.copied for share in job.shares):
        return found
    if source.encoding != "F32":
        found += n_values * (_MXFP4 if source.encoding == "mxfp4" else 4)
    made = max(rows * share.nbytes // job.rows for share in job.shares)
    return found + 4 * n_values + 2 * made  # transformed, encoded, and handed to who writes
