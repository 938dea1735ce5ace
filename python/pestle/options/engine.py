"""How a model and its forward pass are set up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pestle.options.checks import INT32_MAX, INT64_MAX, check_integer, mistyped
from pestle.options.values import KV_TYPES

if TYPE_CHECKING:
    from pestle._core import RopeOverride

_OF_FILE = "those of the file"


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """The options of `LLM` that say how it computes, which explains each, with their defaults.

    One object from the command line to the core: each is `_core.Engine`'s argument of the same
    name, but for those of the rotary positions, which go into the model.
    Raises ArgumentError and ArgumentTypeError.
    """

    n_ctx: int = 0
    threads: int = 0
    threads_prefill: int = 0
    kv_type: str = "f16"
    chunk: int = 512
    prefix_cache: int = 512 << 20
    rope_scaling: str | None = None
    rope_scale: float | None = None
    yarn_orig_ctx: int | None = None
    rope_freq_base: float | None = None

    def __post_init__(self) -> None:
        self._integer("n_ctx", 0, INT32_MAX)
        self._integer("threads", 0, INT32_MAX)
        self._integer("threads_prefill", 0, INT32_MAX)
        self._integer("chunk", 1, INT32_MAX)
        self._integer("prefix_cache", 0, INT64_MAX)
        _check_kv_type(self.kv_type)
        if self.yarn_orig_ctx is not None:
            self._integer("yarn_orig_ctx", 1, INT32_MAX)
        if self._rope():
            self.rope()

    def of_core(self) -> dict[str, Any]:
        """The arguments of `_core.Engine`."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in _OF_ROPE
        }

    def rope(self) -> RopeOverride:
        """What takes the place of the file's rotary scaling. Raises TypeError and ValueError."""
        from pestle._core import RopeOverride

        return RopeOverride(**self._rope())

    def rope_in_words(self) -> str:
        """The same, for people and to compare: one text for the same numbers."""
        given = self._rope()
        for name in ("rope_scale", "rope_freq_base"):
            if name in given:
                given[name] = float(given[name])
        return " ".join(f"{name}={value}" for name, value in given.items()) or _OF_FILE

    def _rope(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in _OF_ROPE}
        return {name: value for name, value in given.items() if value is not None}

    def _integer(self, name: str, least: int, most: int) -> None:
        checked = check_integer(name, getattr(self, name), least, most)
        object.__setattr__(self, name, checked)  # the class is frozen for everyone else


_OF_ROPE = ("rope_scaling", "rope_scale", "yarn_orig_ctx", "rope_freq_base")


def _check_kv_type(kv_type: object) -> None:
    keys, slash, values = kv_type.partition("/") if isinstance(kv_type, str) else ("", "", "")
    if keys in KV_TYPES and (not slash or values in KV_TYPES):
        return
    if not isinstance(kv_type, str):
        raise mistyped("kv_type", kv_type, "a string")
    from pestle.errors import ArgumentError, shown

    known = ", ".join(map(repr, KV_TYPES))
    raise ArgumentError(
        f"kv_type is {shown(kv_type)}, expected {known} or two of them, as in 'q8_0/f16'"
    )
