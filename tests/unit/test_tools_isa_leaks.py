"""tools/check_isa_leaks.py finds each kind of leak in objects that are compiled here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CLEAN = """
namespace pestle::{isa} {{
template <int N> inline int twice(int x) {{ return N * x; }}
static int hidden(int x) {{ return x; }}
int entry(int x) {{ return twice<2>(x) + hidden(x); }}
}}
"""
WEAK = """
template <int N> __attribute__((noinline)) int shared_weak(int x) {{ return N * x; }}
namespace pestle::{isa} {{ int weak(int x) {{ return shared_weak<3>(x); }} }}
"""
FOREIGN = """
namespace pestle::{other} {{ int entry(int); }}
namespace pestle::{isa} {{ int foreign(int x) {{ return {other}::entry(x); }} }}
"""
TYPED = """
namespace pestle::{isa} {{ struct T {{}}; }}
template <class T> __attribute__((noinline)) int of_type(T) {{ return 1; }}
namespace pestle::{isa} {{ int typed() {{ return of_type(T{{}}); }} }}
"""

pytestmark = pytest.mark.skipif(
    not shutil.which("g++") or not shutil.which("nm"), reason="needs g++ and nm"
)


@pytest.fixture
def leaks(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("check_isa_leaks")


@pytest.fixture
def build(tmp_path: Path) -> Any:
    def compile_one(isa: str, source: str, name: str = "gemm") -> None:
        other = "avx2" if isa != "avx2" else "scalar"
        folder = tmp_path / "CMakeFiles" / f"kernels_{isa}.dir" / "cpp"
        folder.mkdir(parents=True, exist_ok=True)
        text = folder / f"{name}.cpp"
        text.write_text(source.format(isa=isa, other=other), encoding="utf-8")
        subprocess.run(["g++", "-O0", "-c", str(text), "-o", f"{text}.o"], check=True)

    compile_one("scalar", CLEAN)
    compile_one("avx2", CLEAN)
    return compile_one


def found(leaks: ModuleType, root: Path) -> list[str]:
    return list(leaks.find_leaks(leaks.find_objects(root)))


def test_own_namespaces_are_clean(
    leaks: ModuleType, build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(leaks, tmp_path) == []
    assert leaks.main([str(tmp_path)]) == 0
    assert "no symbol leaves its ISA (objects: scalar 1, avx2 1)" in capsys.readouterr().out


def test_a_shared_template_is_a_leak(
    leaks: ModuleType, build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build("scalar", WEAK, "weak")
    build("avx2", WEAK, "weak")
    assert found(leaks, tmp_path) == [
        "scalar: weak.cpp.o: defines weak int shared_weak<3>(int) outside namespace scalar",
        "avx2: weak.cpp.o: defines weak int shared_weak<3>(int) outside namespace avx2",
        "avx2: weak.cpp.o: defines int shared_weak<3>(int), as scalar does",
    ]
    assert leaks.main([str(tmp_path)]) == 1
    assert "shared_weak" in capsys.readouterr().err


def test_a_call_into_another_isa_is_a_leak(leaks: ModuleType, build: Any, tmp_path: Path) -> None:
    build("avx2", FOREIGN, "foreign")
    assert found(leaks, tmp_path) == [
        "avx2: foreign.cpp.o: refers to pestle::scalar::entry(int) of scalar"
    ]


def test_an_outside_template_of_an_isa_type_is_a_leak(
    leaks: ModuleType, build: Any, tmp_path: Path
) -> None:
    build("avx2", TYPED, "typed")
    (line,) = found(leaks, tmp_path)
    assert line.endswith("outside namespace avx2")


@pytest.mark.parametrize(
    ("name", "isa"),
    [
        ("pestle::avx2::gemm(int)", "avx2"),
        ("void pestle::kernels::avx2::gemm<pestle::kernels::avx2::Q4<1>, 4>(void*)", "avx2"),
        ("vtable for pestle::scalar::T", "scalar"),
        ("pestle::avx2::Vec<8> pestle::load<8>(float const*)", None),
        ("int std::max<pestle::avx2::T>(pestle::avx2::T)", None),
        ("memcpy", None),
        ("avx2", None),
    ],
)
def test_the_namespace_is_that_of_the_function(leaks: ModuleType, name: str, isa: str) -> None:
    assert leaks.namespace_of(name) == isa


def test_no_objects_is_not_success(
    leaks: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leaks.main([str(tmp_path)]) == 2
    assert "no kernels_<isa>.dir objects" in capsys.readouterr().err
