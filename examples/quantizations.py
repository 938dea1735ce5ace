"""Compare quantizations: size, and what each has lost of the file that it was made from.

    python examples/quantizations.py [MODEL.gguf [TYPE ...]]

Take a source of high precision, such as BF16. Without one, the default model serves, which is
quantized already, so that its figures are those of rounding twice. The built-in texts take some
minutes on a large model; --texts FILE takes others.
"""

import argparse
import tempfile
from pathlib import Path

from pestle import evaluate, quantize
from pestle.models import resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="a GGUF file")
    parser.add_argument("types", nargs="*", default=["Q8_0", "Q5_0", "Q4_0"])
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--ctx-size", type=int, default=512)
    options = parser.parse_args()
    source = resolve(options.model)
    print(f"{'type':8} {'MB':>8} {'divergence':>11} {'same best':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.types:
            path = Path(folder) / f"{name}.gguf"
            quantize(source, path, to=name, allow_requantize=options.model is None)
            found = evaluate(path, reference=source, texts=options.texts, ctx_size=options.ctx_size)
            lost = found.total.divergence
            assert lost is not None  # there was a reference
            size = path.stat().st_size / 1e6
            print(f"{name:8} {size:8.1f} {lost.mean:11.4f} {lost.same_best:10.1%}")


if __name__ == "__main__":
    main()
