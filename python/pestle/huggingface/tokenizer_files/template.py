"""The chat template, in any of the places where a checkpoint may have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pestle.errors import FormatError
from pestle.untrusted_json import read_object, read_text

_FILE, _JSON = "chat_template.jinja", "chat_template.json"
_LONGEST = 1_000_000


def template_keys(folder: Path, tokenizer_config: Mapping[str, Any]) -> dict[str, Any]:
    """`tokenizer.chat_template`, and one key more for each further template that has a name.

    A file of its own comes first, as in transformers. FormatError: a template is not a string.
    """
    templates = _templates(folder, tokenizer_config)
    default = templates.pop("default", None)
    keys: dict[str, Any] = {}
    if default is not None:
        keys["tokenizer.chat_template"] = default
    if templates:
        keys["tokenizer.chat_templates"] = sorted(templates)
        for name in sorted(templates):
            keys[f"tokenizer.chat_template.{name}"] = templates[name]
    return keys


def _templates(folder: Path, tokenizer_config: Mapping[str, Any]) -> dict[str, str]:
    found: Any = tokenizer_config.get("chat_template")
    if (folder / _JSON).is_file():
        found = read_object(folder / _JSON).get("chat_template")
    templates = _named(found)
    if (folder / _FILE).is_file():
        templates["default"] = read_text(folder / _FILE, _LONGEST)
    further = folder / "additional_chat_templates"
    for path in sorted(further.glob("*.jinja")):
        templates[_checked(path.stem)] = read_text(path, _LONGEST)
    return templates


def _named(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if isinstance(found, str):
        return {"default": found}
    templates = {}
    for entry in found if isinstance(found, list) else [found]:
        name, text = (
            (entry.get("name"), entry.get("template")) if isinstance(entry, dict) else 2 * (None,)
        )
        if not isinstance(name, str) or not isinstance(text, str):
            raise FormatError(f"chat_template has {entry!r:.60}, expected a name and a template")
        templates[_checked(name)] = text
    return templates


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII):
        raise FormatError(f"a chat template has the name {name!r:.60}")
    return name
