"""How far Pestle's logits are from those of `transformers` on the same, dequantized, weights.

Usage: python tools/compare_transformers.py [MODEL.gguf] [--text FILE ...] [--tokens 512]
(needs torch, transformers and accelerate; no model: the default one)

For each text: the mean Kullback-Leibler divergence from `transformers` to Pestle (nats), its 99th
percentile, top-1 agreement, and both perplexities.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from pestle import LLM
from pestle_peer import Pestle
from scores import Logits, log_softmax

ARTICLE = Path(__file__).resolve().parent.parent / "tests" / "data" / "oracle" / "article.txt"


def report(name: str, ours: Logits, theirs: Logits, tokens: list[int]) -> str:
    """One line."""
    p, q = log_softmax(theirs), log_softmax(ours)
    divergence = (np.exp(p) * (p - q)).sum(axis=-1)
    agreement = (p.argmax(axis=-1) == q.argmax(axis=-1)).mean()
    following = (np.arange(len(tokens) - 1), tokens[1:])
    perplexities = [float(np.exp(-x[following].mean())) for x in (q, p)]
    worst = np.quantile(divergence, 0.99)
    return (
        f"{name:24} KL {divergence.mean():.6f} (99th percentile {worst:.6f})"
        f"   top-1 {agreement:7.2%}"
        f"   perplexity {perplexities[0]:.4f}, transformers {perplexities[1]:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("model", nargs="?", help="a GGUF file")
    parser.add_argument("--text", type=Path, nargs="+", default=[ARTICLE])
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--kv-type", choices=["i16", "f16", "f32", "q8_0"], default="i16")
    options = parser.parse_args()
    try:
        from transformers_peer import Transformers
    except ImportError as error:
        sys.exit(f"{error}: pip install torch transformers accelerate")
    with LLM(options.model, kv_type=options.kv_type) as llm:
        theirs, ours = Transformers(Path(llm.path)), Pestle(llm)
        for path in options.text:
            text = path.read_text(encoding="utf-8")[: 20 * options.tokens]
            tokens = llm.tokenize(text)[: options.tokens]
            if tokens != theirs.tokenizer(text).input_ids[: options.tokens]:
                print(f"{path.name}: transformers tokenizes this text in another way")
            ours.clear()
            theirs.clear()
            print(
                report(
                    path.name,
                    ours.feed(tokens, all_logits=True),
                    theirs.feed(tokens, all_logits=True),
                    tokens,
                )
            )


if __name__ == "__main__":
    main()
