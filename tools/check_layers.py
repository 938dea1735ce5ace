"""Fail when an include or an import points against the architecture's arrows.

The tables below are the architecture. A folder or module that is not in them is an error too: a new
layer is a decision, made here. Needs only the standard library, so that a bare machine can run it.

    python tools/check_layers.py [ROOT]
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# C++: a folder of cpp/ -> the folders whose headers it may include, besides its own.
CPP_LAYERS = {
    "core": "",
    "gguf": "core",
    "kernels": "core",
    "quantize": "kernels gguf core",
    "model": "kernels gguf core",
    "runtime": "model kernels gguf core",
    "bindings": "runtime model quantize kernels gguf core",
}
# All of these but their folder `baseline` is compiled once per instruction set. An inline function
# of a foreign header would be compiled with that set too, and the linker may keep that copy for
# all.
PER_ISA = {"kernels", "quantize"}
BASELINE = "baseline"
ISA_SYSTEM_HEADERS = {"cstddef", "cstdint", "cstring", "arm_neon.h", "immintrin.h"}
ISA_MACROS = "core/assume.h"  # macros alone
ISA_OWN_HEADER = "simd.h"  # found on the include path of each set's own folder
BINDING_HEADERS = re.compile(r"^(pybind11/|Python\.h$|numpy/)")
PRINTING_HEADERS = {"iostream", "print"}
PRINTING_CALLS = re.compile(
    r"\bstd::c(?:out|err|log)\b|(?<![\w.>])(?:std::)?(?:printf|puts|putchar|perror|exit|_Exit|abort)\s*\("
)

# Python: a module or package of pestle -> the ones that it may import, besides itself. A package
# inside of another one, as "quantization.budget", is a layer of its own where it is named here.
PYTHON_LAYERS = {
    "_core": "",
    "errors": "_core",
    "files": "",
    "progress": "",
    "version": "",
    "memory": "",
    "untrusted_json": "files errors",
    "types": "",
    "gguf": "options types untrusted_json errors _core",
    "options": "suggest sizes errors _core",
    "footprint": "memory sizes options errors _core",
    "sizes": "",
    "suggest": "",
    "results": "errors _core",
    "tokenizer": "gguf untrusted_json errors _core",
    "template": "tokenizer errors _core",
    "formats": "results tokenizer errors _core",
    "models": "suggest files memory progress gguf untrusted_json errors _core",
    "planning": "llm footprint models gguf files memory options types version untrusted_json "
    "errors _core",
    "quantization": "types errors _core",
    "quantization.importance": "quantization footprint options models tokenizer gguf files "
    "progress errors _core",
    "quantization.budget": "quality footprint options tensors quantization.importance quantization "
    "models tokenizer files progress types errors _core",
    "tensors": "quantization.importance quantization models gguf files types errors _core",
    "huggingface": "tensors quantization models tokenizer files types untrusted_json errors _core",
    "quality": "huggingface tensors footprint options memory template models tokenizer gguf files "
    "progress types errors _core",
    "conversion": "huggingface tensors quality footprint memory options quantization.budget "
    "quantization.importance quantization models tokenizer gguf suggest files progress types "
    "version untrusted_json errors _core",
    "constraints": "formats options tokenizer errors _core",
    "engine": "footprint formats results options tokenizer gguf errors _core",
    "sessions": "files engine models options progress version untrusted_json errors _core",
    "chat": "sessions engine constraints template models formats results options suggest tokenizer "
    "gguf untrusted_json errors _core",
    "llm": "footprint chat sessions engine constraints template models formats results options "
    "tokenizer gguf progress errors _core",
    "server": "planning llm chat sessions engine models files gguf memory progress options results "
    "tokenizer untrusted_json version errors",
    "harness": "llm results errors",
    "lm_eval": "harness llm errors",
    "__init__": "planning quality conversion llm chat engine results options version errors _core",
    "__main__": "cli",
    "cli": "files __init__ planning footprint sizes server llm chat sessions engine template "
    "models formats results options quality memory conversion quantization.importance quantization "
    "tokenizer gguf progress suggest types untrusted_json errors _core",
}
# Third-party packages that belong to one layer.
PYTHON_ONLY_IN: dict[str, set[str]] = {
    "anyio": {"server"},
    "click": {"cli"},
    "prompt_toolkit": {"cli"},
    "rich": {"cli"},
    "fcntl": {"files"},
    "filelock": {"files"},
    "huggingface_hub": {"models"},
    "jinja2": {"template"},
    "llguidance": {"constraints"},
    "lm_eval": {"lm_eval"},
    "msgspec": {"server"},
    "msvcrt": {"files"},
    "prometheus_client": {"server"},
    "starlette": {"server"},
    "tempfile": {"files"},
    "tokenizers": {"tokenizer"},
    "uvicorn": {"server"},
}
MAY_PRINT = {"cli"}
MAY_EXIT = {"cli", "__main__"}
# Whatever makes, changes, locks or removes files. Other layers ask `pestle.files` for it.
MAY_WRITE = {"files"}
_OF_MODULES = {
    "os": "chmod chown fchmod fchown fdopen fsync ftruncate lchown link makedirs mkdir mkfifo "
    "mknod open posix_fallocate remove removedirs rename renames replace rmdir symlink truncate "
    "unlink",
    "shutil": "chown copy copy2 copyfile copymode copystat copytree disk_usage move rmtree",
}
_OF_PATHS = (
    "chmod hardlink_to lchmod link_to mkdir rename rmdir symlink_to tofile touch unlink "
    "write_bytes write_text"
)
_MODE = re.compile("[rwaxbtU+]{1,4}")
_WRITES = re.compile("[wax+]")
# Whatever the program says passes here, where nothing of a file or a model reaches a terminal raw.
CONSOLE = {Path("cli/console.py"), Path("cli/harmless.py")}
CONSOLE_WRITES = re.compile(
    r"^(sys\.std(out|err)\.(write|writelines|buffer\b.*)"
    r"|os\.(write|fdopen)|click\.(echo|secho|confirm|prompt|pause|style|echo_via_pager|progressbar)"
    r"|print|input|logging\.(basicConfig|StreamHandler)|traceback\.print_\w+)$"
)


class Violation(NamedTuple):
    """One wrong arrow: where it is and why it is wrong."""

    path: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.why}"


_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check_cpp(root: Path) -> Iterator[Violation]:
    """Yield the wrong arrows of the C++ sources under root/cpp."""
    for path in sorted((root / "cpp").rglob("*")):
        if path.suffix not in {".h", ".inl", ".cpp"}:
            continue
        relative = path.relative_to(root / "cpp")
        shown = path.relative_to(root).as_posix()
        layer = relative.parts[0]
        if layer not in CPP_LAYERS:
            yield Violation(shown, 1, f"cpp/{layer} is not a layer known to tools/check_layers.py")
            continue
        per_isa = layer in PER_ISA and relative.parts[1] != BASELINE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = _INCLUDE.match(line)
            if match:
                quoted = match[1] == '"'
                why = _judge_include(layer, per_isa, quoted, match[2])
                if why:
                    yield Violation(shown, number, why)
            elif PRINTING_CALLS.search(line.split("//")[0]):
                yield Violation(shown, number, "C++ neither prints nor exits: throw")


def _judge_include(layer: str, per_isa: bool, quoted: bool, header: str) -> str | None:
    """Say why a file of this layer may not include this header; None where it may."""
    if not quoted:
        if BINDING_HEADERS.match(header) and layer != "bindings":
            return f"<{header}>: only bindings may know Python"
        if header in PRINTING_HEADERS:
            return f"<{header}>: C++ does not print"
        if per_isa and header not in ISA_SYSTEM_HEADERS:
            return f"<{header}>: per-ISA sources include only intrinsics and plain C headers"
        return None
    if per_isa and header in {ISA_OWN_HEADER, ISA_MACROS}:
        return None
    target = header.split("/")[0]
    if target not in CPP_LAYERS:
        return f'"{header}": write includes relative to cpp/, as "{layer}/{header}"'
    if per_isa and (target not in PER_ISA or header.split("/")[1] == BASELINE):
        allowed = " and ".join(sorted(PER_ISA))
        return f'"{header}": per-ISA sources include only headers of {allowed}'
    if target != layer and target not in CPP_LAYERS[layer].split():
        return f'{layer} must not include {target} ("{header}")'
    return None


def check_python(root: Path) -> Iterator[Violation]:
    """Yield the wrong arrows of the Python package under root/python/pestle."""
    package = root / "python" / "pestle"
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        shown = path.relative_to(root).as_posix()
        layer = _layer_of([*relative.parts[:-1], relative.stem])
        if layer is None:
            named = relative.parts[0].removesuffix(".py")
            yield Violation(
                shown, 1, f"pestle.{named} is not a layer known to tools/check_layers.py"
            )
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for node in ast.walk(tree):
            for why in _judge_node(node, relative, layer):
                yield Violation(shown, getattr(node, "lineno", 1), why)


def check_circles(root: Path) -> Iterator[Violation]:
    """Yield the circles of Python's modules that import each other when they are imported.

    What a function or `if TYPE_CHECKING` imports does not count, nor a package's own __init__.
    """
    package = root / "python" / "pestle"
    graph: dict[str, set[str]] = {}
    files = {}
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        files[_dotted(relative)] = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        graph[_dotted(relative)] = set(_loaded(tree, relative, package))
    for name, shown in files.items():
        if circle := _circle(graph, name):
            yield Violation(shown, 1, f"modules import each other: {' -> '.join(circle)}")


def _dotted(relative: Path) -> str:
    parts = ["pestle", *relative.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _loaded(tree: ast.Module, relative: Path, package: Path) -> Iterator[str]:
    """The modules of pestle that run before this one has: those imported, and their packages."""
    importer = _dotted(relative)
    for node in _at_once(tree.body):
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        for base in _imported(node, relative):
            for module in (base, *(f"{base}.{name}" for name in names)):
                parts = module.split(".")
                for length in range(2, len(parts) + 1):
                    found = ".".join(parts[:length])
                    file = package.joinpath(*parts[1:length])
                    there = file.is_dir() or file.with_suffix(".py").is_file()
                    own = f"{importer}.".startswith(f"{found}.")
                    if parts[0] == "pestle" and there and not own:
                        yield found


def _at_once(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _at_once([*node.body, *node.orelse])
        elif isinstance(node, (ast.Try, ast.With)):
            yield from _at_once(node.body)


def _circle(graph: dict[str, set[str]], start: str) -> list[str]:
    """The shortest way from a module back to it; [] without one, or if a lower name has it."""
    before = {start: ""}
    waiting = [start]
    for name in waiting:
        for other in sorted(graph.get(name, ())):
            if other == start:
                way = [name]
                while before[way[-1]]:
                    way.append(before[way[-1]])
                return [*reversed(way), start] if start == min(way) else []
            if other not in before:
                before[other] = name
                waiting.append(other)
    return []


def _layer_of(parts: list[str]) -> str | None:
    """The innermost layer that a module of pestle is in; None where no layer is known."""
    for length in range(len(parts), 0, -1):
        if (layer := ".".join(parts[:length])) in PYTHON_LAYERS:
            return layer
    return None


def _judge_node(node: ast.AST, relative: Path, layer: str) -> Iterator[str]:
    """Yield why a syntax node of this layer's file is wrong."""
    for module in _imported(node, relative):
        parts = module.split(".")
        if parts[0] == "pestle":
            # what is no layer is a name that the package itself exports
            target = _layer_of(parts[1:]) or "__init__"
            if target != layer and target not in PYTHON_LAYERS[layer].split():
                yield f"{layer} must not import {target} ({module})"
        elif layer not in PYTHON_ONLY_IN.get(parts[0], {layer}):
            yield f"{layer} must not import {parts[0]}"
    if layer not in MAY_WRITE and (primitive := _judge_files(node)):
        yield f"{primitive}: only files makes, changes, locks or removes files"
    if layer not in MAY_PRINT and isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        exits = called in {"exit", "quit", "sys.exit", "os._exit"} and layer not in MAY_EXIT
        if exits or called == "print" or called.startswith(("sys.stdout.", "sys.stderr.")):
            yield f"{called}(): only cli prints or exits"
    if relative not in CONSOLE:
        yield from _judge_writing(node, layer)


def _judge_writing(node: ast.AST, layer: str) -> Iterator[str]:
    """Yield why what a file other than the console's writes to the terminal is wrong."""
    if isinstance(node, ast.Attribute) and ast.unparse(node) in {
        "sys.__stdout__",
        "sys.__stderr__",
    }:
        yield f"{ast.unparse(node)}: only cli/console.py writes to the terminal"
    if layer in MAY_PRINT and isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if CONSOLE_WRITES.match(called):
            yield f"{called}(): only cli/console.py writes to the terminal"


def _judge_files(node: ast.AST) -> str | None:
    """Say which primitive of the file system a node outside of `pestle.files` uses, if one."""
    if isinstance(node, ast.ImportFrom) and node.module in _OF_MODULES:
        found = {alias.name for alias in node.names} & {*_OF_MODULES[node.module].split(), "*"}
        return f"from {node.module} import {min(found)}" if found else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        of_module = node.attr in _OF_MODULES.get(node.value.id, "").split()
        return f"{node.value.id}.{node.attr}" if of_module else None
    if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    method = isinstance(node.func, ast.Attribute)
    shown = f"{ast.unparse(node.func)}()"
    if method and name in _OF_PATHS.split():
        return shown
    if method and name == "replace" and len(node.args) == 1 and not node.keywords:
        return shown  # a path's; text is replaced by something, dates and dataclasses by keywords
    if name == "open" and shown != "os.open()" and any(map(_WRITES.search, _modes(node, method))):
        return None if "os.devnull" in ast.unparse(node) else shown
    return None


def _modes(call: ast.Call, method: bool) -> Iterator[str]:
    """What may be the mode of a call of `open`; "w" for one that only running it would tell.

    The first argument of a method is a path's mode, or what an archive shall open.
    """
    for keyword in call.keywords:
        if keyword.arg == "mode":
            yield _text(keyword.value) or "w"
    for place, argument in enumerate(call.args[:2]):
        text = _text(argument)
        if text is None and place == 1:
            yield "w"
        elif text is not None and _MODE.fullmatch(text) and (method or place == 1):
            yield text


def _text(node: ast.expr) -> str | None:
    found = node.value if isinstance(node, ast.Constant) else None
    return found if isinstance(found, str) else None


def _imported(node: ast.AST, relative: Path) -> Iterator[str]:
    """Yield the absolute dotted names that an import statement binds."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = ["pestle", *relative.parts[:-1]]
            above = above[: len(above) - (node.level - 1)]
            base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:  # of layers inside of others, and of names of the package
            full = f"{base}.{alias.name}"
            yield (
                full if base == "pestle" or full.removeprefix("pestle.") in PYTHON_LAYERS else base
            )


def main(arguments: list[str]) -> int:
    """Print every violation; return 1 when there is one."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    violations = [*check_cpp(root), *check_python(root), *check_circles(root)]
    for violation in violations:
        print(violation, file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
