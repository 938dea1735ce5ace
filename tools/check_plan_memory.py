"""Compare the memory that plans predict with what is then measured, for every synthetic shape.

    python tools/check_plan_memory.py [SHAPE...] [--type Q4_K_M] [--most 1.2GB] [--tokenizer FILE]

Each shape's file has holes in the place of its matrices, and as many layers as take no more than
`--most`. Mixtures are run a second time with all of their layers that take no more without experts,
a tenth of which have room in memory. All tokens go to the same few of each layer, so room for more
than these is not filled, as of DeepSeek V3's single layer. A process of its own fills a context of
2,048 tokens. Ends with 1 where a difference is above 64 MiB and 2 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from make_synthetic import default_tokenizer
from pestle import _core, sizes
from pestle.footprint import footprint
from pestle.options import EngineOptions
from pestle.planning.trial import trial_options, try_out
from pestle.types import MIXTURES
from synthetic import gguf_file, vocabulary
from synthetic.shapes import SHAPES, Shape

RESIDENT_SHARE = 0.1
TOO_LARGE = 5


def check(path: Path, options: EngineOptions, *, streamed: bool) -> tuple[int, int, int]:
    """Bytes predicted, measured, and of streamed experts."""
    file = _core.GgufFile(path)
    told = footprint(file, options)
    layout = _core.expert_layout(file)
    experts = layout.bytes(int(RESIDENT_SHARE * layout.n_experts)) if streamed else 0
    if streamed:
        told = replace(told, text=0, experts=experts)
    found = try_out(path, options, experts)
    assert found.peak is not None
    return told.total, found.peak, experts


def fitting(
    path: Path, shape: Shape, kind: str, tokenizer: dict[str, vocabulary.Value], most: int,
    *, streamed: bool,
) -> Shape:  # fmt: skip
    """The shape with as many layers as fit; its file is at `path`."""
    n_layers = shape.n_layers
    while True:
        some = replace(shape, n_layers=n_layers)
        gguf_file.write_outline(path, some, kind, tokenizer)
        told = _core.footprint(_core.GgufFile(path), n_ctx=512)
        least = 1 + (shape.experts.n_dense_layers if shape.experts else 0)
        if told.weights + (0 if streamed else told.experts) <= most or n_layers <= least:
            return some
        n_layers = max(least, n_layers * 3 // 4)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("shapes", nargs="*", choices=[[], *SHAPES], metavar="SHAPE")
    parser.add_argument("--type", default="Q4_K_M", choices=sorted(MIXTURES))
    parser.add_argument("--most", type=sizes.parsed, default=sizes.parsed("1.2GB"))
    parser.add_argument("--tokenizer", type=Path, help="a GGUF file")
    options = parser.parse_args()
    tokenizer = vocabulary.read(options.tokenizer or default_tokenizer())
    engine = trial_options(EngineOptions(), 1 << 20)
    worst = 0.0
    print(
        f"{'shape':18} {'layers':>8} {'experts':>9} {'predicted':>10} {'measured':>10}  difference"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outline.gguf"
        for name in options.shapes or SHAPES:
            shape = SHAPES[name]
            for streamed in (False, True)[: 1 + bool(shape.experts)]:
                some = fitting(
                    path, shape, options.type, tokenizer, options.most, streamed=streamed
                )
                if not streamed and path.stat().st_size > TOO_LARGE * options.most:
                    continue  # a single layer of experts is more than memory
                told, found, experts = check(path, engine, streamed=streamed)
                off = told - found
                worst = max(worst, abs(off) / max(64 << 20, 0.02 * found))
                print(f"{name:18} {some.n_layers:3} of {shape.n_layers:<2}"
                      f" {sizes.shown(experts) if experts else '':>9} {sizes.shown(told):>10}"
                      f" {sizes.shown(found):>10} {off / (1 << 20):+6.0f} MiB {off / found:+7.1%}",
                      flush=True)  # fmt: skip
    return int(worst > 1)


if __name__ == "__main__":
    sys.exit(main())
