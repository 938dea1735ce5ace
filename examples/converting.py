"""Convert a checkpoint, certify what the new file has lost, and prove what it was made from.

    python examples/converting.py CHECKPOINT model.gguf Q8_0

CHECKPOINT is a folder as the Hugging Face hub has it: config.json, a tokenizer, *.safetensors.
"""

import sys
from pathlib import Path

from pestle import Error, convert, verify


def main() -> int:
    checkpoint, output = Path(sys.argv[1]), Path(sys.argv[2])
    to = sys.argv[3] if len(sys.argv) > 3 else "Q4_K_M"
    try:
        made = convert(checkpoint, output, to=to, certify="--certify" in sys.argv)
        proof = verify(output, rederive=checkpoint)
    except Error as error:  # each is one line
        print(f"converting: {error}", file=sys.stderr)
        return 1
    print(f"{output.name}: {made.bytes_written:,} bytes in {made.seconds:.1f} s")
    if made.certificate is not None:
        print(f"certificate: {made.certificate}")
    print(f"{proof.n_tensors} tensors hold what the checkpoint gives: {proof.ok}")
    return 0 if proof.ok else 1


if __name__ == "__main__":
    sys.exit(main())
