"""Valid JSON behind reasoning, every time: models with random weights under a schema.

    PYTHONPATH=python python tools/check_structured.py [TIMES]

For each way of thinking (an open tag in the prompt, one that the model writes, harmony) so many
answers, 200 unless told otherwise, each with another seed. Every one must be JSON of the schema,
behind reasoning that is not empty and not longer than its budget. tests/structured does a few.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(arguments: list[str]) -> int:
    """Print how many were right; return 1 when one was not."""
    babblers = import_module("tests.structured.babblers")
    schemas = import_module("tests.structured.test_schemas")
    times = int(arguments[0]) if arguments else 200
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for way, (family, options) in schemas.WAYS.items():
            with babblers.babbler(Path(folder) / "tiny.gguf", family) as llm:
                right = sum(schemas.answer_is_right(llm, seed, options) for seed in range(times))
            print(f"{way}: {right} of {times}")
            wrong += times - right
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
