"""Pestle beside llama.cpp on one file: perplexity and greedy answers.

Usage: python tools/compare_llama_cpp.py [MODEL.gguf] --text FILE [--threads 2]
(needs `pip install llama-cpp-python`, which builds llama.cpp; no model: the default one)

Perplexity is of the text's first tokens, as one context and in the windows of llama.cpp's own
tool. Greedy answers are 64 tokens to five prompts through the file's chat template. For speed
there is compare_peers.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pestle import LLM
from pestle_peer import Pestle
from scores import Peer, greedy, perplexity, perplexity_in_windows, same_until

# Questions whose answers are well determined: where two words are as good as each other, rounding
# decides, and llama.cpp's eight-bit activations make it decide differently from exact arithmetic.
PROMPTS = (
    "What is the capital of France?",
    "Count from 1 to 20.",
    "Write the letters of the English alphabet in order, separated by spaces.",
    "What are the months of the year, in order?",
    "Repeat the word hello ten times.",
)

GREEDY_TOKENS = 64
GREEDY_CONTEXT = 512  # enough for each prompt and its answer


def compare_greedy(llm: LLM, ours: Peer, theirs: Peer, n: int) -> None:
    if llm.template is None:
        print("greedy: the file has no chat template")
        return
    for prompt in PROMPTS:
        text = llm.template.render([{"role": "user", "content": prompt}])
        tokens = llm.tokenize(text, parse_special=True)
        (a, leads), (b, their_leads) = greedy(ours, tokens, n), greedy(theirs, tokens, n)
        same = same_until(a, b)
        verdict = "equal"
        if same < n:
            verdict = (
                f"differ at token {same}: the best led the second by {leads[same]:.3f} nats, "
                f"in llama.cpp by {their_leads[same]:.3f}"
            )
        print(f"greedy      {verdict}: {prompt} {llm.detokenize(a)[:60]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("model", nargs="?", help="a GGUF file")
    parser.add_argument("--text", type=Path, help="the text for perplexity")
    parser.add_argument("--tokens", type=int, default=4096, help="of the text")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--no-repack",
        action="store_true",
        help="llama.cpp without repacked weights and AMX, which no laptop has",
    )
    options = parser.parse_args()
    try:
        from llama_cpp_peer import LlamaCpp
    except ImportError as error:
        sys.exit(f"{error}: pip install llama-cpp-python")
    n_ctx = max(options.tokens, GREEDY_CONTEXT)
    with (
        LLM(options.model, n_ctx=n_ctx, threads=options.threads) as llm,
        LlamaCpp(
            llm.path, n_ctx=n_ctx, threads=options.threads, repack=not options.no_repack
        ) as theirs,
    ):
        ours = Pestle(llm)
        if options.text is not None:
            text = options.text.read_text(encoding="utf-8")[: 20 * options.tokens]
            tokens = llm.tokenize(text)[: options.tokens]
            bos = llm.tokenizer.bos_id if llm.tokenizer.add_bos else None
            a, b = perplexity(ours, tokens), perplexity(theirs, tokens)
            print(f"perplexity  {a:.4f}, llama.cpp {b:.4f}: {a / b - 1:+.3%} (one context)")
            a, b = (perplexity_in_windows(peer, tokens, 512, bos) for peer in (ours, theirs))
            print(f"perplexity  {a:.4f}, llama.cpp {b:.4f}: {a / b - 1:+.3%} (windows of 512)")
        compare_greedy(llm, ours, theirs, GREEDY_TOKENS)


if __name__ == "__main__":
    main()
