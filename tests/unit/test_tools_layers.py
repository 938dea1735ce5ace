"""tools/check_layers.py: the tree as it is passes, and each kind of wrong arrow is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def layers(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("check_layers")


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_this_tree_has_no_wrong_arrow(layers: ModuleType) -> None:
    found = [*layers.check_cpp(ROOT), *layers.check_python(ROOT), *layers.check_circles(ROOT)]
    assert found == []


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("core/a.h", '#include "model/b.h"', "core must not include model"),
        ("gguf/a.cpp", '#include "kernels/b.h"', "gguf must not include kernels"),
        ("model/arch/a.cpp", '#include "runtime/b.h"', "model must not include runtime"),
        ("runtime/a.cpp", "#include <pybind11/pybind11.h>", "only bindings may know Python"),
        ("core/a.cpp", "#include <iostream>", "C++ does not print"),
        ("core/a.cpp", '  std::printf("%d", 1);', "C++ neither prints nor exits"),
        ("core/a.cpp", "  abort();", "C++ neither prints nor exits"),
        ("model/a.cpp", '#include "linear.h"', "write includes relative to cpp/"),
        ("kernels/avx2/simd.h", "#include <algorithm>", "only intrinsics and plain C headers"),
        ("kernels/gemm.inl", "#include <vector>", "only intrinsics and plain C headers"),
        ("kernels/gemm.inl", '#include "core/half.h"', "only headers of kernels and quantize"),
        ("kernels/gemm.inl", '#include "quantize/lanes.h"', "kernels must not include quantize"),
        (
            "quantize/a.cpp",
            '#include "quantize/baseline/b.h"',
            "only headers of kernels and quantize",
        ),
        ("quantize/a.h", "#include <vector>", "only intrinsics and plain C headers"),
        ("quantize/baseline/a.cpp", '#include "model/b.h"', "quantize must not include model"),
        ("misc/a.h", "", "not a layer known to tools/check_layers.py"),
    ],
)
def test_a_wrong_cpp_line_is_found(
    layers: ModuleType, tmp_path: Path, name: str, line: str, why: str
) -> None:
    write(tmp_path, f"cpp/{name}", f"#pragma once\n{line}\n")
    (violation,) = layers.check_cpp(tmp_path)
    assert violation.path == f"cpp/{name}"
    assert why in violation.why
    assert violation.line == (2 if line else 1)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("model/a.cpp", '#include "kernels/b.h"'),
        ("bindings/a.cpp", "#include <pybind11/pybind11.h>"),
        ("kernels/avx2/simd.h", "#include <immintrin.h>"),
        ("kernels/gemm.inl", '#include "simd.h"'),
        ("kernels/baseline/registry.cpp", "#include <vector>"),
        ("core/a.cpp", "  std::snprintf(buffer, n, format, x);"),
        ("core/a.cpp", "// never abort() here"),
    ],
)
def test_a_right_cpp_line_is_let_through(
    layers: ModuleType, tmp_path: Path, name: str, line: str
) -> None:
    write(tmp_path, f"cpp/{name}", f"{line}\n")
    assert list(layers.check_cpp(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("errors.py", "from pestle.engine import Engine", "errors must not import engine"),
        ("tokenizer/bpe.py", "from ..chat import Chat", "tokenizer must not import chat"),
        ("tokenizer/bpe.py", "from .. import chat", "tokenizer must not import chat"),
        ("engine.py", "import pestle.cli", "engine must not import cli"),
        ("engine.py", "from pestle import LLM", "engine must not import __init__"),
        ("chat.py", "import click", "chat must not import click"),
        ("chat.py", "print(1)", "only cli prints or exits"),
        ("engine.py", "def f():\n    sys.exit(1)", "only cli prints or exits"),
        ("engine.py", "sys.stderr.write('x')", "only cli prints or exits"),
        ("cli/chat.py", "print(1)", "only cli/console.py writes to the terminal"),
        ("cli/chat.py", "sys.stdout.write('x')", "only cli/console.py writes to the terminal"),
        ("cli/chat.py", "sys.stderr.buffer.write(x)", "only cli/console.py writes"),
        ("cli/chat.py", "click.echo('x')", "only cli/console.py writes to the terminal"),
        ("cli/chat.py", "stream = sys.__stderr__", "only cli/console.py writes to the terminal"),
        ("misc.py", "", "not a layer known to tools/check_layers.py"),
        *(
            (name, line, "only files makes, changes, locks or removes files")
            for name, line in (
                ("chat.py", "Path('a').unlink(missing_ok=True)"),
                ("chat.py", "import os\nos.remove('a')"),
                ("chat.py", "import os\nmap(os.unlink, names)"),
                ("chat.py", "from os import unlink"),
                ("chat.py", "from shutil import rmtree"),
                ("chat.py", "import shutil\nshutil.rmtree(folder)"),
                ("chat.py", "folder.rmdir()"),
                ("chat.py", "part.replace(path)"),
                ("chat.py", "part.rename(path)"),
                ("chat.py", "import os\nos.replace(part, path)"),
                ("chat.py", "open(path, 'w')"),
                ("chat.py", "open(path, mode='r+b')"),
                ("chat.py", "path.open('ab')"),
                ("chat.py", "path.open(mode=mode)"),
                ("chat.py", "open(path, mode)"),
                ("chat.py", "path.write_text('a')"),
                ("chat.py", "path.mkdir()"),
                ("chat.py", "path.symlink_to(other)"),
                ("chat.py", "import os\nos.open(path, os.O_WRONLY)"),
                ("chat.py", "import shutil\nshutil.disk_usage(path)"),
            )
        ),
        ("chat.py", "import filelock", "chat must not import filelock"),
        ("chat.py", "import tempfile", "chat must not import tempfile"),
        ("files/a.py", "import pestle.errors", "files must not import errors"),
    ],
)
def test_a_wrong_python_line_is_found(
    layers: ModuleType, tmp_path: Path, name: str, line: str, why: str
) -> None:
    write(tmp_path, f"python/pestle/{name}", line)
    (violation,) = layers.check_python(tmp_path)
    assert violation.path == f"python/pestle/{name}"
    assert why in violation.why


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("chat.py", "from .engine import Engine"),
        ("cli/chat.py", "from ..chat import Chat\nimport click\nconsole.out(1)"),
        ("cli/console.py", "import sys\nsys.stdout.write('x')"),
        ("models/hub.py", "import huggingface_hub"),
        ("tokenizer/bpe.py", "from .pre import split"),
        ("files/a.py", "import os, shutil\nos.unlink(a)\nshutil.rmtree(b)\nopen(c, 'w')"),
        ("chat.py", "text.replace('a', 'b')\nday.replace(year=1)\nreplace(options, to='x')"),
        ("chat.py", "path.open()\nopen(path, 'rb')\narchive.open(member)"),
        ("cli/root.py", "Path(os.devnull).open('w')"),
    ],
)
def test_a_right_python_line_is_let_through(
    layers: ModuleType, tmp_path: Path, name: str, line: str
) -> None:
    write(tmp_path, f"python/pestle/{name}", line)
    assert list(layers.check_python(tmp_path)) == []


def test_the_command_prints_each_violation_and_fails(
    layers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "cpp/core/a.h", '#include "model/b.h"\n')
    assert layers.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        'cpp/core/a.h:1: core must not include model ("model/b.h")\n'
    )


def test_a_circle_is_found(layers: ModuleType, tmp_path: Path) -> None:
    """Also within a package, and over a package's __init__."""
    write(tmp_path, "python/pestle/engine/__init__.py", "from pestle.engine.a import x\n")
    write(tmp_path, "python/pestle/engine/a.py", "from pestle.engine import b\n")
    write(tmp_path, "python/pestle/engine/b.py", "from pestle.engine.a import x\n")
    write(tmp_path, "python/pestle/chat/__init__.py", "from .c import y\n")
    write(tmp_path, "python/pestle/chat/c.py", "from pestle.llm import z\n")
    write(tmp_path, "python/pestle/llm.py", "import pestle.chat.d\n")
    write(tmp_path, "python/pestle/chat/d.py", "")
    assert [violation.why.partition(": ")[2] for violation in layers.check_circles(tmp_path)] == [
        "pestle.chat -> pestle.chat.c -> pestle.llm -> pestle.chat",
        "pestle.engine.a -> pestle.engine.b -> pestle.engine.a",
    ]


@pytest.mark.parametrize(
    "late",
    [
        "def f():\n    from pestle.engine.a import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pestle.engine.a import x",
    ],
)
def test_a_late_import_makes_no_circle(layers: ModuleType, tmp_path: Path, late: str) -> None:
    write(tmp_path, "python/pestle/engine/__init__.py", "from pestle.engine.a import x\n")
    write(tmp_path, "python/pestle/engine/a.py", "from pestle.engine.b import y\n")
    write(tmp_path, "python/pestle/engine/b.py", late)
    assert list(layers.check_circles(tmp_path)) == []


def test_a_layer_inside_of_another_has_arrows_of_its_own(
    layers: ModuleType, tmp_path: Path
) -> None:
    write(
        tmp_path, "python/pestle/quantization/rows.py", "from pestle.quantization import budget\n"
    )
    write(tmp_path, "python/pestle/quantization/budget/a.py", "import pestle.quantization.rows\n")
    (violation,) = layers.check_python(tmp_path)
    assert "quantization must not import quantization.budget" in violation.why
