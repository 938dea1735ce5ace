"""Loads a model within a memory, reads a prompt and writes; says as JSON what came of it.

python run_model.py FILE MEMORY|- N_CTX PROMPT_TOKENS [DATA]

DATA: bytes of anonymous memory that it may take from then on, by RLIMIT_DATA.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from pestle import LLM
from pestle.errors import MemoryLimitError


def main() -> dict[str, Any]:
    path, memory, n_ctx, prompt, *data = sys.argv[1:]
    if data:
        limit = private_memory() + int(data[0])
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        budget = None if memory == "-" else int(memory)
        with LLM(path, memory=budget, n_ctx=int(n_ctx), threads=2) as llm:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
            tokens = [(7 * i) % 200 for i in range(int(prompt))]
            logits = hashlib.sha256(llm.logits(tokens[-3:]).tobytes()).hexdigest()
            said = llm.generate(tokens, max_tokens=16, temperature=0).text
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before
            settled = llm._runtime.loaded.settled
            way = settled.fit.way if settled is not None and settled.fit is not None else "free"
            return {"way": way, "logits": logits, "text": said, "faults": faults,
                    "n_ctx": llm.n_ctx}  # fmt: skip
    except MemoryLimitError as error:
        return {"way": "refused", "why": str(error)}


def private_memory() -> int:
    """What counts for RLIMIT_DATA, in bytes, with all that a model needs imported."""
    importlib.import_module("numpy")
    importlib.import_module("pestle.llm.loading")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmData:")[1].split()[0]) * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
