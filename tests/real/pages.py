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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
CLIENTS = DOCS / "clients.md"
ADDRESS = "http://127.0.0.1:11435"
"""Where the server of that page is, whose model is called NAME."""
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}\S.*\n(?: {4}.*\n|\n(?= {4}))*)")


@dataclass(frozen=True)
class Block:
    """A block of code, the line at which it begins, and what it prints, where the page says so.

    Its language is "" where it is set off by indentation: lines of a shell.
    """

    language: str
    line: int
    code: str
    output: str | None = None


def pages() -> list[Path]:
    """All that have something to type or to run."""
    others = ("README.md", "CONTRIBUTING.md", "examples/README.md")
    return [*(ROOT / name for name in others), *sorted(DOCS.rglob("*.md"))]


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
    between = _BLOCK.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in _INDENTED.finditer(between):
        code = "".join(line[4:] or "\n" for line in match[0].splitlines(keepends=True))
        found.append(Block("", between.count("\n", 0, match.start()) + 1, code))
    return sorted(found, key=lambda block: block.line)


def of(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page in some languages."""
    return [block for block in blocks(page) if block.language in languages]


def typed(page: Path) -> list[str]:
    """The lines that a page has typed into a shell, each with what continues it."""
    lines = []
    for block in of(page, "", "sh", "console"):
        code = block.code.replace("\\\n", " ")
        if block.language == "console":
            lines += [line[2:] for line in code.splitlines() if line.startswith("$ ")]
        else:
            lines += [re.sub(r" {2,}# .*", "", line) for line in code.splitlines()]
    return lines


def missing_packages(code: str) -> list[str]:
    """Those that a program imports and this environment does not have."""
    names = re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)
    return [name for name in names if find_spec(name) is None]


def guides() -> list[Path]:
    """The pages whose Python a reader runs from top to bottom."""
    return [DOCS / "tour.md", *sorted((DOCS / "how-to").glob("*.md"))]


def run(page: Path) -> list[str]:
    """What each block of Python prints; a traceback names the page and its line."""
    printed = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in of(page, "python"):
        shifted = "\n" * (block.line - 1) + block.code
        code = compile(shifted, str(page), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(code, namespace)
        printed.append(said.getvalue())
    return printed


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]))))
