"""What a wheel holds of others, as CycloneDX in .dist-info/sboms (PEP 770).

Dependencies that pip installs are in the wheel's metadata; here are those whose code is inside: the
C++ headers and run-time library that are compiled in, and the packages of the page.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from foreign import zig
from packageurl import PackageURL


def libcxx_version(zig: Path) -> str:
    """Of LLVM, whose libc++, libc++abi and libunwind come with this compiler."""
    config = (zig.parent / "lib" / "libcxx" / "include" / "__config").read_text()
    found = re.search(r"define _LIBCPP_VERSION (\d+)(\d\d)(\d\d)\b", config)
    if found is None:
        raise SystemExit(f"build_wheels: {zig}: no _LIBCPP_VERSION in lib/libcxx/include/__config")
    return ".".join(str(int(part)) for part in found.groups())


def _component(kind: str, name: str, release: str, license_id: str) -> Component:
    package = PackageURL(kind, *_scoped(name), release)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=release,
        licenses=[LicenseFactory().make_from_string(license_id)],
        purl=package,
        bom_ref=str(package),
    )


def _scoped(name: str) -> tuple[str | None, str]:
    """An npm name's scope and the rest of it."""
    scope, slash, rest = name.rpartition("/")
    return (scope if slash else None), rest


def page_packages(lock: Path) -> list[Component]:
    """Those that web/package-lock.json names, but for the tools that build the page."""
    packages = json.loads(lock.read_text())["packages"]
    return [
        _component("npm", where.split("node_modules/")[-1], entry["version"], entry["license"])
        for where, entry in sorted(packages.items())
        if where and not entry.get("dev") and not entry.get("optional")
    ]


def write(path: Path, source: Path, release: str, pybind11: str, epoch: int) -> None:
    """Write the list of a wheel of version `release` that is built from `source`.

    The same bytes each time.
    """
    pestle = PackageURL("pypi", None, "pestle", release)
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, str(pestle)),
        components=[
            _component("pypi", "pybind11", pybind11, "BSD-3-Clause"),
            _component(
                "github",
                "llvm/llvm-project",
                libcxx_version(zig()),
                "Apache-2.0 WITH LLVM-exception",
            ),
            *page_packages(source / "web" / "package-lock.json"),
        ],
    )
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, timezone.utc)
    bom.metadata.component = Component(
        type=ComponentType.LIBRARY,
        name="pestle",
        version=release,
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
        purl=pestle,
        bom_ref=str(pestle),
    )
    bom.register_dependency(bom.metadata.component, list(bom.components))
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")
