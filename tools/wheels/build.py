"""From the checkout to wheels: a source distribution, the library, an extension for each Python.

All is built from the unpacked source distribution, in folders under build/wheels, by the Clang of
the ziglang package, whose libc++ is linked in. So a wheel needs nothing of the machine that it is
installed on but glibc, and its bytes depend on nothing of the machine that it was built on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foreign import zig

from .platforms import Interpreter, Platform
from .sbom import write as write_sbom

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FALLBACK_EPOCH = 1667997441  # scikit-build-core's own, where there is no git to ask


def run(*command: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run quietly; return what it printed. Raises SystemExit with all of it where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=env, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(f"build_wheels: {' '.join(words)} ended with {done.returncode}")
    return done.stdout


def source_date_epoch() -> int:
    """SOURCE_DATE_EPOCH, or the commit's time, in seconds."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    asked = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True
    )
    return int(asked.stdout) if asked.returncode == 0 else FALLBACK_EPOCH


@dataclass(frozen=True)
class Source:
    """An unpacked source distribution."""

    folder: Path
    archive: Path
    release: str  # its version


class Builder:
    """Builds below one folder."""

    def __init__(self, work: Path, **environment: str) -> None:
        self.work = work
        self.epoch = source_date_epoch()
        self.environment = os.environ | {
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "PYTHONHASHSEED": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **environment,
        }

    def tools(self, interpreter: Interpreter) -> Path:
        """Return the programs of an environment for this Python that has requirements.txt alone."""
        environment = self.work / "environments" / interpreter.tag
        programs = environment / "bin"
        if not (programs / "ninja").exists():
            run(sys.executable, "-m", "virtualenv", "-q", "-p", interpreter.path, environment)
            run(programs / "python", "-m", "pip", "install", "-q", "-r", REQUIREMENTS)
        return programs

    def backend(self, interpreter: Interpreter, *arguments: object, **env: str) -> str:
        """Run `python -m build` with the pinned tools, and no compiler of the system's."""
        programs = self.tools(interpreter)
        env = self.environment | env | {"PATH": f"{programs}:{os.environ['PATH']}"}
        command = (programs / "python", "-m", "build", "--no-isolation", *arguments)
        return run(*command, env=env)

    def source(self, interpreter: Interpreter, out: Path) -> Source:
        """Make the source distribution in `out`, and unpack it."""
        made = self.work / "sdist"
        shutil.rmtree(made, ignore_errors=True)
        self.backend(interpreter, "--sdist", "-o", made, ROOT)
        (archive,) = made.iterdir()
        folder = self.work / "source"
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(made, filter="data")
        release = archive.name.removeprefix("pestle-").removesuffix(".tar.gz")
        (made / f"pestle-{release}").rename(folder)
        out.mkdir(parents=True, exist_ok=True)
        return Source(folder, Path(shutil.copy2(archive, out / archive.name)), release)

    def settings(self, source: Source, platform: Platform) -> dict[str, object]:
        """What CMake is told for a platform."""
        return {
            "CMAKE_TOOLCHAIN_FILE": source.folder / "cmake" / "zig.cmake",
            "CMAKE_BUILD_TYPE": "Release",
            "PESTLE_ZIG": zig(),
            "PESTLE_ZIG_TARGET": platform.zig_target,
        }

    def library(self, interpreter: Interpreter, platform: Platform, source: Source) -> Path:
        """Build libpestle.a for a platform. Any Python's tools will do."""
        folder = self.work / platform.tag / "library"
        # Sources have the time of their commit, which says nothing of whether objects are older.
        shutil.rmtree(folder, ignore_errors=True)
        programs = self.tools(interpreter)
        env = self.environment | {"PATH": f"{programs}:{os.environ['PATH']}"}
        defines = [f"-D{name}={value}" for name, value in self.settings(source, platform).items()]
        defines.append("-DPESTLE_BUILD_PYTHON=OFF")
        run("cmake", "-S", source.folder, "-B", folder, "-G", "Ninja", *defines, env=env)
        run("cmake", "--build", folder, "--target", "pestle", env=env)
        return folder / "libpestle.a"

    def wheel(
        self, interpreter: Interpreter, platform: Platform, source: Source, library: Path, out: Path
    ) -> Path:
        """Build, check and name a wheel; return its path in `out`."""
        folder = self.work / platform.tag / interpreter.tag
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        sbom = folder / "pestle.cdx.json"
        programs = self.tools(interpreter)
        pybind11 = run(programs / "python", "-m", "pybind11", "--version").strip()
        headers = folder / "headers"
        interpreter.link_own_pyconfig(headers, platform)
        write_sbom(sbom, source.folder, source.release, pybind11, self.epoch)
        defines = self.settings(source, platform) | {
            "PESTLE_LIBRARY": library,
            "PESTLE_SBOM": sbom,
            "PESTLE_ZIG_INCLUDE": headers,
            # pybind11 would take this machine's suffix.
            "PYTHON_MODULE_EXTENSION": interpreter.extension_suffix(platform),
            "PYTHON_MODULE_DEBUG_POSTFIX": "",
        }
        options = [f"-Ccmake.define.{name}={value}" for name, value in defines.items()]
        options += [f"-Cbuild-dir={folder / 'build'}", "-Cinstall.strip=false"]
        self.backend(
            interpreter,
            *("--wheel", "-o", folder, *options, source.folder),
            _PYTHON_HOST_PLATFORM=f"linux-{platform.machine}",
            SETUPTOOLS_EXT_SUFFIX=interpreter.extension_suffix(platform),
        )
        (wheel,) = folder.glob("*.whl")
        return self.repaired(wheel, platform, out)

    def repaired(self, wheel: Path, platform: Platform, out: Path) -> Path:
        """Let auditwheel name the wheel by the oldest glibc that serves it.

        Raises SystemExit where that is newer than GLIBC. (auditwheel takes the name of a platform
        only on a machine of that kind.)
        """
        made = wheel.parent / "repaired"
        auditwheel = (sys.executable, "-m", "auditwheel", "repair", "--plat", "auto")
        run(*auditwheel, "--only-plat", "-w", made, wheel, env=self.environment)
        (repaired,) = made.iterdir()
        if not platform.runs(repaired.name):
            raise SystemExit(f"build_wheels: {repaired.name} needs more than {platform.tag} has")
        return Path(shutil.copy2(repaired, out / repaired.name))
