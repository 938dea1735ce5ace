"""What many positions come to: perplexity and divergence, with their errors.

Sums are exact (math.fsum) and exponentials correctly rounded (decimal): the order of positions and
the machine's libm change no bit.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pestle.quality.divergence import Comparison, Floats


@dataclass(frozen=True)
class Divergence:
    """How far a model is from its reference. Nats, at one position each."""

    mean: float
    mean_error: float
    """The standard error of the mean."""
    median: float
    p99: float
    max: float
    same_best: float
    """The share of positions at which both find the same token most likely."""
    reference_perplexity: float
    perplexity_ratio: float
    """The model's perplexity over the reference's."""
    perplexity_ratio_error: float


@dataclass(frozen=True)
class Figures:
    """Of one category of texts, or of all. `tokens`: that were foreseen."""

    tokens: int
    perplexity: float
    perplexity_error: float
    """The standard error, the tokens taken as independent."""
    divergence: Divergence | None = None
    """None without a reference."""


@dataclass
class Tally:
    """The positions seen so far: 8 bytes each, and 17 more with a reference."""

    _losses: list[Floats] = field(default_factory=list)
    _compared: list[Comparison] = field(default_factory=list)

    def add(self, found: Floats | Comparison) -> None:
        """Take in some positions: their losses, or their comparison with the reference."""
        if isinstance(found, Comparison):
            self._compared.append(found)
            self._losses.append(found.loss)
        else:
            self._losses.append(found)

    def merge(self, other: Tally) -> None:
        """Take in what another one has."""
        self._losses += other._losses
        self._compared += other._compared

    def figures(self) -> Figures:
        """What it comes to. ValueError when there is not a single position."""
        losses = _joined(self._losses)
        if not len(losses):
            raise ValueError("no positions were added")
        mean, error = mean_and_error(losses)
        perplexity = exp(mean)
        return Figures(len(losses), perplexity, perplexity * error, self._divergence())

    def _divergence(self) -> Divergence | None:
        if not self._compared:
            return None
        found = np.sort(_joined([c.divergence for c in self._compared]))
        mean, error = mean_and_error(found)
        reference = mean_and_error(_joined([c.reference_loss for c in self._compared]))[0]
        same = sum(int(np.count_nonzero(c.same_best)) for c in self._compared)
        log_ratio, ratio_error = mean_and_error(
            _joined([c.loss - c.reference_loss for c in self._compared])
        )
        return Divergence(
            mean=mean,
            mean_error=error,
            median=quantile(found, 0.5),
            p99=quantile(found, 0.99),
            max=float(found[-1]),
            same_best=same / len(found),
            reference_perplexity=exp(reference),
            perplexity_ratio=exp(log_ratio),
            perplexity_ratio_error=exp(log_ratio) * ratio_error,
        )


def mean_and_error(values: Floats) -> tuple[float, float]:
    """The mean of some values and its standard error, 0 for a single one."""
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return mean, 0.0
    return mean, math.sqrt(math.fsum(np.square(values - mean)) / (n - 1) / n)


def quantile(ordered: Floats, q: float) -> float:
    """Of ascending values, interpolated between two neighbours as numpy does by default."""
    at = q * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (at - below))


def exp(x: float) -> float:
    """e to the power of x, correctly rounded."""
    with decimal.localcontext(decimal.Context(prec=40)):
        return float(decimal.Decimal(x).exp())


def _joined(parts: Iterable[Floats]) -> Floats:
    found = list(parts)
    return np.concatenate(found) if found else np.empty(0)
