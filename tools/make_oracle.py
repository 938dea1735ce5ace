"""Computes the expected logits of the tiny checkpoints with `transformers`.

Usage: python tools/make_oracle.py [CASE ...]      (needs torch and transformers >= 5.24)

Writes tests/data/oracle/CASE.npz: the digest of the weights, logits at some positions (with exact
keys and values, and with those rounded to f16), greedy tokens. Refuses a case whose greedy tokens
are so close a call that rounding could change them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.oracle import checkpoints, expected, transformers_model

SMALLEST_LEAD = 2e-3
"""Of the best greedy token over the second, relative to the largest |logit|."""


def make(case: checkpoints.Case) -> str:
    """Writes the file of one case; a line about it."""
    parameters = checkpoints.weights(case)
    model = transformers_model.load(case, parameters)
    ids = checkpoints.tokens(case, case.n_tokens)
    logits = transformers_model.logits(model, ids)

    greedy, lead = [], np.inf
    text = ids[: expected.N_PROMPT]
    for _ in range(expected.N_GREEDY):
        last = transformers_model.logits(model, text)[-1]
        second, best = np.argsort(last)[-2:]
        lead = min(lead, float(last[best] - last[second]) / float(np.abs(last).max()))
        greedy.append(int(best))
        text = [*text, int(best)]
    if lead < SMALLEST_LEAD:
        raise SystemExit(f"{case.name}: a greedy token leads by only {lead:.1e}; change its seed")
    path, kept = expected.FOLDER / f"{case.name}.npz", expected.positions(case)
    np.savez_compressed(
        path,
        weights=checkpoints.digest(parameters),
        logits=logits[kept],
        logits_f16_cache=transformers_model.logits_with_f16_cache(model, ids)[kept],
        greedy=np.array(greedy, np.int32),
    )
    size = path.stat().st_size
    return f"{case.name:18} largest |logit| {np.abs(logits).max():5.1f}, lead {lead:.4f}, {size} B"


def main() -> None:
    names = sys.argv[1:] or list(checkpoints.CASES)
    expected.FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(make(checkpoints.CASES[name]))


if __name__ == "__main__":
    main()
