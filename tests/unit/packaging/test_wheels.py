"""What tools/build_wheels names and lists. That its wheels run is seen by its --try, in .ci/run."""

from __future__ import annotations

import importlib.machinery
import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("cyclonedx", reason="needs '.[dev]'")

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from foreign import zig
from wheels import sbom
from wheels.platforms import PLATFORMS, Interpreter

ROOT = Path(__file__).resolve().parent.parent.parent.parent


def test_extensions_are_named_as_this_python_looks_for_them() -> None:
    here = Interpreter.of(Path(sys.executable))
    suffix = here.extension_suffix(PLATFORMS["x86_64"])
    other = here.extension_suffix(PLATFORMS["aarch64"])
    assert other == suffix.replace("x86_64", "aarch64")
    known = {name.replace("aarch64", "x86_64") for name in importlib.machinery.EXTENSION_SUFFIXES}
    assert suffix in known


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"build_wheels: .*nowhere: No such file or directory"):
        Interpreter.of(tmp_path / "nowhere")


def test_free_threaded_python_has_names_of_its_own() -> None:
    free = Interpreter(Path("python3.14t"), (3, 14), free_threaded=True, include=Path())
    assert free.tag == "cp314t"
    assert free.extension_suffix(PLATFORMS["aarch64"]) == ".cpython-314t-aarch64-linux-gnu.so"


def test_what_debians_headers_include(tmp_path: Path) -> None:
    own = tmp_path / "usr/include/x86_64-linux-gnu/python3.13"
    own.mkdir(parents=True)
    (own / "pyconfig.h").write_text("own")
    (own.parent / "bits").mkdir()
    debian = Interpreter(Path("python3"), (3, 13), False, tmp_path / "usr/include/python3.13")
    debian.link_own_pyconfig(tmp_path / "found", PLATFORMS["aarch64"])
    (found,) = (tmp_path / "found/aarch64-linux-gnu").iterdir()
    assert (found / "pyconfig.h").read_text() == "own"


@pytest.mark.parametrize(
    ("tag", "runs"),
    [
        ("manylinux_2_17_aarch64", True),
        ("manylinux_2_28_aarch64", True),
        ("manylinux_2_29_aarch64", False),
        ("manylinux_2_28_x86_64", False),
        ("linux_aarch64", False),
    ],
)
def test_what_auditwheel_named(tag: str, runs: bool) -> None:
    assert PLATFORMS["aarch64"].runs(f"pestle-1.0-cp312-cp312-{tag}.whl") is runs


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(SystemExit, match=r"/python ended with 3, expected a CPython"):
        Interpreter.of(program)


def test_bill_of_materials(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        sbom.write(path, ROOT, "1.2.3", "3.1.0", epoch=1_700_000_000)
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {c["name"]: c["version"] for c in json.loads(text)["components"]}
    page = json.loads((ROOT / "web" / "package.json").read_text())
    assert listed.items() >= page["dependencies"].items()
    assert not listed.keys() & page["devDependencies"].keys()
    assert listed["pybind11"] == "3.1.0"
    assert json.loads(text)["metadata"]["component"]["version"] == "1.2.3"


def test_libcxx_is_the_compilers() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", sbom.libcxx_version(zig()))
