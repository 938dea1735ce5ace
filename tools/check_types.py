"""Loads files of every family and type into llama.cpp, and compares its logits with Pestle's.

Usage: python tools/check_types.py [CASE ...] [--types TYPE ...]
(from the repository's root; needs `pip install llama-cpp-python`, which builds llama.cpp)

Tiny random checkpoints, 256 numbers wide so that blocks of every type divide their rows, are
converted to each mixture, once from the checkpoint and once by way of an F32 file. For each: the
largest and the rms difference of logits, relative to the largest and to the rms logit, and how
often both take the same token. Both quantize activations, each in its own way, and F32 shows what
that is not: llama.cpp keeps those of F32 files exact.

gpt-oss is taken without YaRN, whose correction range llama.cpp rounds and `transformers` does not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from llama_cpp_peer import LlamaCpp
from pestle._core import GgufFile
from pestle.conversion import convert, quantize
from pestle.types import MIXTURES

from tests.oracle import checkpoint_folder, checkpoints, running
from tests.oracle.checkpoints import CASES

DEFAULT_CASES = (
    "llama-256", "qwen2-256", "qwen3-256", "qwen3moe-256", "gptoss-256", "deepseek3-256",
    "gemma3-256",
)  # fmt: skip
N_TOKENS = 64


def same_tensors(a: Path, b: Path) -> bool:
    files = [GgufFile(path) for path in (a, b)]
    found = [[(t.name, t.type, f.read(t.name).tobytes()) for t in f.tensors] for f in files]
    return sorted(found[0]) == sorted(found[1])


def check(name: str, types: list[str]) -> bool:
    """Prints a line for each type; whether all files are read, and both ways give the same."""
    case, good = CASES[name], True
    if case.model_type == "gpt_oss":
        rope = {"rope_type": "default", "rope_theta": 150_000.0}
        case = replace(case, config={**case.config, "rope_parameters": rope})
    tokens = checkpoints.tokens(case, N_TOKENS)
    with tempfile.TemporaryDirectory() as folder:
        source = checkpoint_folder.write(Path(folder) / "s", case, checkpoints.weights(case))
        wide = convert(source, Path(folder) / "wide.gguf", to="F32").paths[0]
        for to in types:
            path = convert(source, Path(folder) / f"{to}.gguf", to=to, overwrite=True).paths[0]
            again = quantize(wide, Path(folder) / f"again-{to}.gguf", to).paths[0]
            same = same_tensors(path, again)
            run = running.engine(path)
            ours = running.feed(run, run.sequence(), tokens, N_TOKENS)
            try:
                with LlamaCpp(
                    str(path), n_ctx=256, threads=1, kv="f32", flash_attention="off"
                ) as peer:
                    theirs = peer.feed(tokens, all_logits=True)
            except (OSError, RuntimeError) as error:
                print(f"{name:14} {to:9} {error}", flush=True)
                good = False
                continue
            off = abs(ours - theirs)
            largest = off.max() / abs(theirs).max()
            rms = np.sqrt((off**2).mean() / (theirs**2).mean())
            agree = (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()
            print(
                f"{name:14} {to:9} largest {largest:.1e}, rms {rms:.1e}, same token {agree:.0%}; "
                f"by way of F32 {'the same' if same else 'OTHER TENSORS'}",
                flush=True,
            )
            good &= same
            for made in (path, again):
                made.unlink()
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("cases", nargs="*", default=list(DEFAULT_CASES), metavar="CASE")
    parser.add_argument("--types", nargs="+", default=list(MIXTURES), metavar="TYPE")
    options = parser.parse_args()
    good = [check(name, options.types) for name in options.cases]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
