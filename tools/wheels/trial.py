"""A wheel in an environment of its own: no compiler, no headers, no checkout on Python's path."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

from foreign import ROOT, compare_logits
from pestle import _core
from pestle.models import resolve

from .build import run
from .platforms import Interpreter

COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++", "zig", "cmake", "ninja", "make")
QUESTION = "What is the capital of France?"
ANSWER = "Paris"
MODELS = (("llama-256", "Q4_K"), ("gptoss-1024", "MXFP4"), ("deepseek3-ragged", "Q8_0"))
TESTS = (
    "tests/unit/test_gguf_read.py",
    "tests/unit/test_thread_pool.py",
    "tests/unit/test_input_file.py",
    "tests/unit/quantization",
    "tests/oracle/test_logits.py",
    "tests/oracle/test_parts.py",
)
EMULATED_TESTS = ("tests/unit/test_gguf_read.py", "tests/unit/test_input_file.py")
"""Those that start no programs of their own, which qemu-user would not run."""
EMULATED_PACKAGES = ("pytest>=8", "hypothesis", "gguf")
# libgguf has wheels for x86-64 up to 3.13; what needs it is skipped.
PACKAGES = (*EMULATED_PACKAGES, "libgguf==0.2.2; python_version < '3.14'")
# How to reach the network, which a mirror or a proxy may have a say in.
NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_INDEX_URL", "PIP_CONFIG_FILE"),
)


class Trial(ABC):
    """A place to install a wheel in and to run it, in a folder that is thrown away."""

    packages: tuple[str, ...] = PACKAGES
    tests: tuple[str, ...] = TESTS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        empty = folder / "bin"
        empty.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if k in NETWORK} | {
            "PATH": str(empty),
            "HOME": str(folder / "home"),
            "PYTHONNOUSERSITE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    @abstractmethod
    def install(self, *packages: object) -> None:
        """By pip, from wheels alone."""

    @abstractmethod
    def python(self, *arguments: object, cwd: Path | None = None, **env: str) -> str:
        """Run the Python that sees what was installed; return what it printed."""

    def answer(self) -> str:
        """Of the default model, which is fetched."""
        return self.python("-m", "pestle", "run", "-p", QUESTION)

    def logits(self, isa: str, driver: str, *arguments: object) -> str:
        """As `foreign.Run`, by the installed wheel."""
        assert driver == "logits"
        return self.python(ROOT / "tools" / "core_logits.py", *arguments, PESTLE_ISA=isa)


class FreshEnvironment(Trial):
    """A virtual environment of the interpreter that the wheel is for."""

    def __init__(self, folder: Path, interpreter: Interpreter) -> None:
        super().__init__(folder)
        self.programs = folder / "environment" / "bin"
        self.environment["PATH"] = f"{self.programs}:{self.environment['PATH']}"
        run(sys.executable, "-m", "virtualenv", "-q", "-p", interpreter.path, self.programs.parent)
        found = [name for name in COMPILERS if shutil.which(name, path=self.environment["PATH"])]
        if found:
            raise SystemExit(f"build_wheels: {', '.join(found)} would be on the path")

    def install(self, *packages: object) -> None:
        self.python("-m", "pip", "install", "-q", "--only-binary=:all:", *packages)

    def python(self, *arguments: object, cwd: Path | None = None, **env: str) -> str:
        program = self.programs / "python"
        return run(program, *arguments, env=self.environment | env, cwd=cwd or self.folder)


class Emulated(Trial):
    """An arm64 Python of the same version under qemu-user, in the root folder of another system."""

    packages = EMULATED_PACKAGES
    tests = EMULATED_TESTS

    def __init__(self, folder: Path, interpreter: Interpreter, root: Path) -> None:
        super().__init__(folder)
        self.interpreter = interpreter
        self.site = folder / "site"
        program = root / "usr" / "bin" / f"python{interpreter.version[0]}.{interpreter.version[1]}"
        if not program.is_file():
            raise SystemExit(f"build_wheels: no {program} to try {interpreter.tag} with")
        self.command = (shutil.which("qemu-aarch64"), "-cpu", "max", "-L", root, program)
        self.environment["PYTHONPATH"] = str(self.site)

    def install(self, *packages: object) -> None:
        # pip of this machine chooses for that one: emulated, it would take minutes.
        version = ".".join(map(str, self.interpreter.version))
        options: list[object] = ["--python-version", version, "--abi", self.interpreter.tag]
        for minor in range(17, 40):
            options += ["--platform", f"manylinux_2_{minor}_aarch64"]
        options += ["--platform", "manylinux2014_aarch64", "--implementation", "cp"]
        options += ["--only-binary=:all:", "--upgrade", "--target", self.site]
        run(sys.executable, "-m", "pip", "install", "-q", *options, *packages)

    def answer(self) -> str:
        # pip, which fetches the model, is a program of its own: qemu-user would not start it.
        return self.python("-m", "pestle", "run", "-m", resolve(), "-p", QUESTION)

    def python(self, *arguments: object, cwd: Path | None = None, **env: str) -> str:
        return run(*self.command, *arguments, env=self.environment | env, cwd=cwd or self.folder)


def attempt(wheel: Path, interpreter: Interpreter, emulated: Path | None = None) -> None:
    """Install, ask, compare, test, and say so. Raises SystemExit at the first failure.

    `emulated` is the root folder of the system that runs the wheel, where this machine does not.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trial: Trial
        if emulated is None:
            trial = FreshEnvironment(folder, interpreter)
        else:
            trial = Emulated(folder, interpreter, emulated)
        started = time.monotonic()
        trial.install(wheel)
        installed = time.monotonic() - started
        answer = trial.answer()
        if ANSWER not in answer:
            raise SystemExit(f"build_wheels: asked {QUESTION!r}, the wheel answered {answer!r}")
        seconds = time.monotonic() - started
        print(f"{seconds:5.1f} s  to the first answer, {installed:.1f} of them pip's", flush=True)
        isas = trial.python("-c", "from pestle import _core; print(*_core.isas())").split()
        if compare_logits(trial.logits, isas, folder, MODELS):
            raise SystemExit(f"build_wheels: logits differ from {_core.__file__}'s")
        trial.install(*trial.packages)
        # Tests find the installed package, as there is no source tree on the path.
        options = ("-q", "-p", "no:cacheprovider", "--rootdir", ROOT)
        print(trial.python("-m", "pytest", *options, *trial.tests, cwd=ROOT).splitlines()[-1])
