"""The choice under a budget, beside all choices there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pestle.errors import Error
from pestle.quantization.budget import Candidate, TensorCandidates, choose


def _tensors(seed: int, n: int, n_candidates: int) -> list[TensorCandidates]:
    """Losses fall with the bytes by a factor of four a bit or so, as those of types do."""
    random = np.random.default_rng(seed)
    found = []
    for i in range(n):
        rows, weight = int(random.integers(1, 40)), random.exponential()
        bits = np.sort(random.uniform(2, 9, n_candidates))
        candidates = [
            Candidate(f"T{k}", int(rows * b * 10), float(weight * 4**-b * random.uniform(0.7, 1.4)))
            for k, b in enumerate(bits)
        ]
        found.append(TensorCandidates(f"blk.{i}.x", tuple(candidates)))
    return found


def _best(tensors: list[TensorCandidates], budget: int) -> float:
    return min(
        sum(c.loss for c in choice)
        for choice in itertools.product(*(tensor.candidates for tensor in tensors))
        if sum(c.nbytes for c in choice) <= budget
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_best(seed: int) -> None:
    tensors = _tensors(seed, 5, 5)
    for share in (0.3, 0.5, 0.7):
        sizes = [[c.nbytes for c in tensor.candidates] for tensor in tensors]
        least, most = (sum(map(f, sizes)) for f in (min, max))
        budget = int(least + share * (most - least))
        found = choose(tensors, budget)
        assert sum(c.nbytes for c in found.values()) <= budget
        assert sum(c.loss for c in found.values()) == pytest.approx(_best(tensors, budget))


def test_many_tensors() -> None:
    """Of a model's size, in units of bytes: beside the bound that no choice beats."""
    tensors = [
        TensorCandidates(
            t.name, tuple(Candidate(c.type, c.nbytes * 10_000, c.loss) for c in t.candidates)
        )
        for t in _tensors(7, 60, 12)
    ]
    budget = sum(t.candidates[5].nbytes for t in tensors)
    found = sum(c.loss for c in choose(tensors, budget).values())
    bound = max(
        sum(min(c.loss + m * c.nbytes for c in t.candidates) for t in tensors) - m * budget
        for m in np.geomspace(1e-16, 1e-6, 400)
    )
    assert bound <= found <= 1.02 * bound


def test_limits() -> None:
    tensors = _tensors(1, 30, 8)
    least = sum(min(c.nbytes for c in t.candidates) for t in tensors)
    smallest = choose(tensors, least)
    assert sum(c.nbytes for c in smallest.values()) == least
    with pytest.raises(Error, match=f"take {least:,} bytes, {least - 1:,} are left"):
        choose(tensors, least - 1)
    largest = choose(tensors, 10**12)
    for tensor in tensors:
        assert largest[tensor.name].loss == min(c.loss for c in tensor.candidates)


def test_the_order_of_candidates_does_not_matter() -> None:
    tensors = _tensors(2, 40, 9)
    turned = [TensorCandidates(t.name, t.candidates[::-1]) for t in tensors]
    budget = sum(t.candidates[4].nbytes for t in tensors)
    assert choose(tensors, budget) == choose(turned, budget)


def test_a_type_that_is_larger_and_worse_is_never_chosen() -> None:
    sizes = (("Q3_K", 30, 5.0), ("Q4_0", 40, 6.0), ("Q5_K", 50, 1.0))
    candidates = tuple(Candidate(*size) for size in sizes)
    for budget, kind in ((49, "Q3_K"), (50, "Q5_K")):
        assert choose([TensorCandidates("x", candidates)], budget)["x"].type == kind


def test_ties_go_to_the_first() -> None:
    candidates = (Candidate("Q4_K", 4, 2.0), Candidate("Q8_0", 8, 1.0))
    tensors = [TensorCandidates(f"blk.{i}.x", candidates) for i in range(3)]
    found = choose(tensors, 17)
    assert [found[t.name].type for t in tensors] == ["Q8_0", "Q4_K", "Q4_K"]
