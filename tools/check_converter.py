"""Compares Pestle's converter with llama.cpp's own, on tiny checkpoints.

Usage: python tools/check_converter.py CONVERTER TOKENIZERS [CASE ...]     (needs .[oracle])

CONVERTER is a convert_hf_to_gguf.py, TOKENIZERS a folder with NAME.tokenizer.json.xz of qwen3,
gptoss and deepseek_v3: a converter refuses a tokenizer that it does not know. Each case gets that
vocabulary and goes from `transformers` through the converter into Pestle, whose logits are compared
with those of `transformers`: F32 files exactly, Q8_0 files with the same weights rounded. Those of
gpt-oss go a second way: as the published checkpoints, whose experts are MXFP4. What our converter
makes of the same folder is compared with theirs: tensors to the bit, and metadata.

llama.cpp's gpt-oss rounds YaRN's correction range, Pestle does not, as transformers: what is
compared here is that the files are read, not that both compute the same.
"""

from __future__ import annotations

import argparse
import json
import lzma
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pestle

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.oracle import checkpoints, gguf_file, running, transformers_model
from tests.oracle.checkpoints import CASES, Case, Weights

TOKENIZERS = {"gpt_oss": "gptoss", "deepseek_v2": "deepseek_v3", "deepseek_v3": "deepseek_v3"}
"""By model_type; the others get that of Qwen 3."""
ORIGIN = ("GGUF.", "general.", "pestle.")
"""Keys that say where a file comes from."""
DEFAULT_CASES = (
    "llama-llama3-rope",
    "qwen2-yarn",
    "qwen3-tied",
    "qwen3moe-yarn",
    "qwen3moe-256",
    "gptoss-top1",
    "gptoss-256",
    "deepseek3-ragged",
    "deepseek3-256",
    "deepseek2-lite",
    "gemma3-linear",
)


def with_vocabulary(case: Case, tokenizers: Path, folder: Path) -> Case:
    """The case with as many tokens as a published tokenizer, which is put into `folder`."""
    name = TOKENIZERS.get(case.model_type, "qwen3")
    text = lzma.decompress((tokenizers / f"{name}.tokenizer.json.xz").read_bytes())
    (folder / "tokenizer.json").write_bytes(text)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    tokenizer = json.loads(text)
    ids = [*tokenizer["model"]["vocab"].values(), *(t["id"] for t in tokenizer["added_tokens"])]
    return replace(case, config=case.config | {"vocab_size": max(ids) + 1})


def convert(converter: Path, folder: Path, kind: str) -> Path:
    """The GGUF file that `converter` makes of the checkpoint in `folder`."""
    path = folder / f"{kind}.gguf"
    command = [sys.executable, str(converter), str(folder), "--outfile", str(path)]
    done = subprocess.run(
        [*command, "--outtype", kind], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{converter}: {done.stderr[-2000:]}")
    return path


def logits(path: Path, tokens: list[int]) -> np.ndarray:
    run = running.engine(path)
    return running.feed(run, run.sequence(), tokens, 64)


def difference(theirs: Path, ours: Path) -> str:
    """What differs between two files: tensors, and metadata but for what tells their origin.

    Of quantized tensors, types and shapes: Pestle's quantizers make other bytes, with less error.
    """
    import gguf

    files = [gguf.GGUFReader(path) for path in (theirs, ours)]
    tensors = [
        {t.name: (t.tensor_type.name, t.shape.tolist(), _exact(t)) for t in file.tensors}
        for file in files
    ]
    keys = [{k: f.contents() for k, f in file.fields.items()} for file in files]
    told = []
    for what, (a, b) in (("tensors", tensors), ("keys", keys)):
        names = [n for n in sorted(a.keys() ^ b.keys()) if not n.startswith(ORIGIN)]
        other = [n for n in sorted(a.keys() & b.keys()) if a[n] != b[n]]
        told += [
            f"{'theirs' if n in a else 'ours'} alone has {n}={_short((a | b)[n])}" for n in names
        ]
        told += [f"{n} {_short(a[n])} / {_short(b[n])}" for n in other if not n.startswith(ORIGIN)]
        told.append(f"{len(a.keys() & b.keys()) - len(other)} {what} equal")
    return "; ".join(told)


def _exact(tensor: Any) -> bytes:
    return tensor.data.tobytes() if tensor.tensor_type.name in ("F32", "F16", "BF16") else b""


def _short(value: Any) -> str:
    return f"{value!r:.40}" if not isinstance(value, tuple) else f"{value[0]} {value[1]}"


def published(weights: Weights) -> Weights:
    """gpt-oss as it is published: experts in MXFP4, two neighbours in a byte, scales apart."""
    out: Weights = {}
    for name, values in weights.items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            out[name] = values
            continue
        rows = np.ascontiguousarray(values.swapaxes(1, 2))  # (expert, out, in)
        blocks = gguf_file.encode(rows, "MXFP4").reshape(*rows.shape[:2], -1, 17)
        scales, halves = blocks[..., 0], blocks[..., 1:]
        codes = np.concatenate([halves & 15, halves >> 4], axis=-1)
        out[f"{name}_blocks"] = codes[..., 0::2] | codes[..., 1::2] << 4
        out[f"{name}_scales"] = np.ascontiguousarray(scales)
    return out


def save_published(weights: Weights, folder: Path) -> None:
    """Puts it in the place of the checkpoint that `transformers` saved there."""
    from safetensors.numpy import save_file

    save_file(published(weights), folder / "model.safetensors")
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "mxfp4"}
    path.write_text(json.dumps(config), encoding="utf-8")


def experts_as_mxfp4(name: str) -> str:
    return "MXFP4" if "_exps." in name else "F32"


def check(case: Case, converter: Path, tokenizers: Path) -> None:
    """Prints a line for each type."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = with_vocabulary(case, tokenizers, folder)
        weights: Weights = checkpoints.weights(case)
        model = transformers_model.load(case, weights)
        tokens = checkpoints.tokens(case, case.n_tokens)
        exact = transformers_model.logits(model, tokens)
        model.save_pretrained(folder)
        choices: dict[str, gguf_file.Choice] = {"f32": "F32", "q8_0": "Q8_0"}
        if case.model_type == "gpt_oss" and case.config["intermediate_size"] % 32 == 0:
            choices["mxfp4"] = experts_as_mxfp4
        for kind, choice in choices.items():
            if kind == "mxfp4":
                save_published(weights, folder)
            stored = "f32" if kind == "mxfp4" else kind  # theirs keeps MXFP4 then, ours widens
            path = convert(converter, folder, stored)
            ours = pestle.convert(folder, folder / f"ours.{kind}.gguf", to=stored.upper()).paths[0]
            if kind != "f32":
                widened = folder / "widened.gguf"
                exact = logits(gguf_file.write(widened, case, weights, choice, widen=True), tokens)
            off = abs(logits(path, tokens) - exact)
            rms = np.sqrt((off**2).mean() / (exact**2).mean())
            print(
                f"{case.name:18} {kind:5} largest {off.max() / abs(exact).max():.1e},"
                f" rms {rms:.1e}; {difference(path, ours)}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("converter", type=Path, metavar="CONVERTER")
    parser.add_argument("tokenizers", type=Path, metavar="TOKENIZERS")
    parser.add_argument("cases", nargs="*", default=list(DEFAULT_CASES), metavar="CASE")
    options = parser.parse_args()
    for name in options.cases:
        check(CASES[name], options.converter, options.tokenizers)


if __name__ == "__main__":
    main()
