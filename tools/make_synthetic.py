"""Write a GGUF file with a published model's shape and random weights, to measure speed with.

Usage: python tools/make_synthetic.py SHAPE FILE.gguf --type Q4_K_M [--layers N] [--pure]
                                      [--tokenizer FILE.gguf] [--seed N]

It loads and runs wherever the architecture does, and each token costs what the real model's does;
what it says is noise. Types are chosen as llama.cpp's llama-quantize chooses them, head and
fallbacks included; --pure gives every matrix the one type. The tokenizer is a real one, padded to
the shape's vocabulary (no --tokenizer: the default model's).

llama.cpp and its forks know DeepSeek-V2-Lite by its 27 layers: with fewer, they do not load it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from pestle.types import MIXTURES
from synthetic import gguf_file, vocabulary
from synthetic.mixture import PURE
from synthetic.shapes import SHAPES, Shape


def default_tokenizer() -> Path:
    """The default model's file."""
    from pestle.models import resolve

    return Path(resolve(None))


def chosen_shape(name: str, layers: int | None) -> Shape:
    """A shape of the table, with fewer layers where asked for."""
    shape = SHAPES[name]
    if layers is None:
        return shape
    if not 1 <= layers <= shape.n_layers:
        raise ValueError(f"{name} has {shape.n_layers} layers, not {layers}")
    return replace(shape, n_layers=layers)


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done / 1e9:.2f} of {total / 1e9:.2f} GB", end=end, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("file", type=Path)
    parser.add_argument("--type", required=True, choices=sorted({*MIXTURES, *PURE}))
    parser.add_argument("--pure", action="store_true", help="one type for every matrix")
    parser.add_argument("--layers", type=int, help="the first N only")
    parser.add_argument("--tokenizer", type=Path, help="a GGUF file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.pure and options.type not in PURE:
        parser.error(f"{options.type} is a mixture, and --pure asks for one type")
    if not options.pure and options.type not in MIXTURES:
        parser.error(f"{options.type} needs --pure: no mixture has that name")
    start = time.perf_counter()
    try:
        shape = chosen_shape(options.shape, options.layers)
        gguf_file.write(
            options.file,
            shape,
            options.type,
            vocabulary.read(options.tokenizer or default_tokenizer()),
            pure=options.pure,
            seed=options.seed,
            progress=_progress,
        )
    except ValueError as error:
        sys.exit(f"make_synthetic: {error}")
    size = options.file.stat().st_size / 1e9
    print(f"{options.file}: {size:.2f} GB in {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
