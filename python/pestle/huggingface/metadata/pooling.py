"""How a checkpoint has vectors made of texts, as sentence-transformers writes it down."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pestle.errors import FormatError, UnsupportedError
from pestle.untrusted_json import parse, read_object, read_text

MODULES: Final = "modules.json"
POOLING: Final = "1_Pooling/config.json"
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
_TYPES: Final = {"mean_tokens": 1, "cls_token": 2, "lasttoken": 3}
"""GGUF's numbers, by the ends of the names in the pooling's config."""
_SHORT: Final = {"mean": "mean_tokens", "cls": "cls_token"}
_PREFIX = "pooling_mode_"


def pooling_keys(folder: Path) -> dict[str, Any]:
    """`pooling_type`, without the architecture; nothing for what is no model of vectors.

    FormatError: the files are malformed. UnsupportedError: GGUF cannot express what they say.
    """
    if not (folder / MODULES).is_file():
        return {}
    modules = _modules(folder / MODULES)
    for module in modules:
        if module not in _KNOWN_MODULES:
            raise UnsupportedError(
                f"{folder / MODULES}: a module is of the type {module!r:.60}, expected one of "
                f"{', '.join(_KNOWN_MODULES)}"
            )
    if "Pooling" not in modules:
        return {}
    config = read_object(folder / POOLING)
    if "pooling_mode" in config:
        stated = config["pooling_mode"]
        modes = [_SHORT.get(stated, stated)] if isinstance(stated, str) else [stated]
    else:
        modes = [
            name.removeprefix(_PREFIX)
            for name, value in config.items()
            if name.startswith(_PREFIX) and value is True
        ]
    if len(modes) != 1 or not isinstance(modes[0], str) or modes[0] not in _TYPES:
        raise UnsupportedError(
            f"{folder / POOLING}: the pooling is {modes!r:.80}, expected one of {', '.join(_TYPES)}"
        )
    return {"pooling_type": _TYPES[modes[0]]}


def _modules(path: Path) -> list[str]:
    """The modules' types, without the packages that they are in."""
    found = parse(read_text(path), str(path))
    entries = found if isinstance(found, list) else [None]
    types = [entry.get("type") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(each, str) for each in types):
        raise FormatError(f"{path}: expected a list of modules, each with its type")
    return [str(each).rpartition(".")[2] for each in types]
