"""The code blocks of the documentation's pages.

`python tests/real/pages.py PAGE` runs its Python from top to bottom and writes what each block
prints, as JSON. So a page has a process of its own, as its reader's program has.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code, the line at which it begins, and what it prints, where the page says so."""

    language: str
    line: int
    code: str
    output: str | None


def blocks(page: Path) -> list[Block]:
    """Those of a page, in their order. A block of `text` right after another is its output."""
    text = page.read_text(encoding="utf-8")
    matches = list(_BLOCK.finditer(text))
    found = []
    for n, match in enumerate(matches):
        if match[1] == "text":
            continue
        after = matches[n + 1] if n + 1 < len(matches) else None
        is_output = after is not None and after[1] == "text"
        if is_output and after is not None:
            is_output = not text[match.end() : after.start()].strip()
        output = after[2] if is_output and after is not None else None
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(match[1], line, match[2], output))
    return found


def guides() -> list[Path]:
    """The pages whose Python a reader runs from top to bottom."""
    return [DOCS / "tour.md", *sorted((DOCS / "how-to").glob("*.md"))]


def run(page: Path) -> list[str]:
    """What each block of Python prints; a traceback names the page and its line."""
    printed = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python":
            shifted = "\n" * (block.line - 1) + block.code
            code = compile(shifted, str(page), "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(code, namespace)
            printed.append(said.getvalue())
    return printed


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]))))
