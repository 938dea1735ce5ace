"""Fail when code compiled for one instruction set could end up in everybody's path.

Of a weak symbol (an inline function, a template, an inline variable) that several objects define,
the linker keeps one, and that may be the AVX-512 copy: an illegal instruction on a laptop. So every
symbol that a per-ISA object defines must live in that ISA's own namespace, no two ISAs may define
the same symbol, and none may call into another's.

    python tools/check_isa_leaks.py BUILD_DIR

BUILD_DIR holds CMake's object libraries `kernels_<isa>.dir` and `quantize_<isa>.dir`. Needs nm
(binutils).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ISAS = ("scalar", "avx2", "avxvnni", "avx512vnni", "avx512zen", "avx512amx", "neondot")
LAYERS = ("kernels", "quantize")
OBJECT_SUFFIXES = {".o", ".obj"}
_TEMPLATE_ARGUMENTS = re.compile(r"<[^<>]*>")
_LINE = re.compile(r"^(?P<name>.+?) (?P<kind>[A-Za-z])(?: [0-9a-f]+)*\s*$")


class Symbol(NamedTuple):
    """A symbol of one object file, demangled; kind is nm's letter."""

    name: str
    kind: str

    @property
    def defined(self) -> bool:
        """Whether the object itself holds it; nm's U, w and v are references."""
        return self.kind not in "Uwv"

    @property
    def visible(self) -> bool:
        """Whether other objects can see it: nm writes local symbols in lower case, but for u."""
        return self.kind.isupper() or self.kind == "u"


def read_symbols(path: Path) -> list[Symbol]:
    """Return the symbols of an object file. Raises CalledProcessError when nm cannot read it."""
    output = subprocess.run(
        ["nm", "-C", "-P", str(path)], check=True, capture_output=True, text=True
    ).stdout
    return [Symbol(m["name"], m["kind"]) for m in map(_LINE.match, output.splitlines()) if m]


def namespace_of(name: str) -> str | None:
    """Return the ISA whose namespace a demangled symbol lies in.

    Only the qualified name counts, not its template arguments, parameters or return type: a
    template of std:: that is instantiated with an ISA's type is still a symbol of std::.
    """
    before = None
    while name != before:
        before, name = name, _TEMPLATE_ARGUMENTS.sub("", name)
    qualified = name.split("(")[0].split()[-1:]
    parts = qualified[0].split("::") if qualified else []
    return next((isa for isa in ISAS if isa in parts[:-1]), None)


def find_leaks(objects: dict[str, list[Path]]) -> Iterator[str]:
    """Yield a line for each symbol that leaves its ISA, given the object files of each ISA."""
    defined_by: dict[str, str] = {}
    for isa, paths in objects.items():
        for path in paths:
            for symbol in read_symbols(path):
                home = namespace_of(symbol.name)
                where = f"{isa}: {path.name}: "
                if not symbol.defined:
                    if home not in (None, isa):
                        yield f"{where}refers to {symbol.name} of {home}"
                    continue
                if not symbol.visible:
                    continue
                if home != isa:
                    weak = "weak " if symbol.kind in "WVu" else ""
                    yield f"{where}defines {weak}{symbol.name} outside namespace {isa}"
                other = defined_by.setdefault(symbol.name, isa)
                if other != isa:
                    yield f"{where}defines {symbol.name}, as {other} does"


def find_objects(build: Path) -> dict[str, list[Path]]:
    """Return the object files of each ISA's object library under a build folder."""
    objects: dict[str, list[Path]] = {}
    for isa in ISAS:
        folders = (f for layer in LAYERS for f in build.rglob(f"*{layer}_{isa}.dir"))
        paths = sorted(p for f in folders for p in f.rglob("*") if p.suffix in OBJECT_SUFFIXES)
        if paths:
            objects[isa] = paths
    return objects


def main(arguments: list[str]) -> int:
    """Print every leak; return 1 when there is one, 2 when there is nothing to look at."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    objects = find_objects(Path(arguments[0]))
    if len(objects) < 2:
        print(
            f"check_isa_leaks: no kernels_<isa>.dir objects under {arguments[0]}", file=sys.stderr
        )
        return 2
    leaks = list(find_leaks(objects))
    for leak in leaks:
        print(leak, file=sys.stderr)
    if not leaks:
        counts = ", ".join(f"{isa} {len(paths)}" for isa, paths in objects.items())
        print(f"check_isa_leaks: no symbol leaves its ISA (objects: {counts})")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
