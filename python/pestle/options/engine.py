"""How a model and its forward pass are set up."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

from pestle.options.checks import INT32_MAX, INT64_MAX, check_integer, check_size, mistyped
from pestle.options.values import KV_TYPES

if TYPE_CHECKING:
    from pestle._core import RopeOverride

_OF_FILE = "those of the file"


def _count(default: int | None, *, least: int = 0, most: int = INT32_MAX) -> Any:
    """A field that is an integer in a range, or its default."""
    return field(default=default, metadata={"range": (least, most)})


class EngineArguments(TypedDict, total=False):
    """The options that say how a model computes, as keywords; `LLM` explains each at length.

    Attributes:
        n_ctx: Context in tokens; 0: what the model was trained for.
        threads: Threads that decode; 0: chosen for this CPU.
        threads_prefill: Threads that read prompts; 0: as `threads`.
        kv_type: How keys and values are kept: "i16", "f16", "f32" or "q8_0".
        chunk: The most prompt tokens in one forward pass: 512.
        prefix_cache: Bytes of keys and values that are kept of texts which nothing holds.
        kv_memory: The most bytes of keys and values; 0: what the system has.
        expert_memory: Bytes for the experts of a mixture; 0: all are in memory.
        rope_scaling: "none", "linear" or "yarn"; None, here and below: as the file has it.
        rope_scale: By what factor positions are stretched.
        yarn_orig_ctx: The context, in tokens, that yarn stretches.
        rope_freq_base: The base of the rotary frequencies.
    """

    n_ctx: int
    """Context in tokens; 0: what the model was trained for."""
    threads: int
    """Threads that decode; 0: chosen for this CPU."""
    threads_prefill: int
    """Threads that read prompts; 0: as `threads`."""
    kv_type: str
    """How keys and values are kept: "i16", "f16", "f32" or "q8_0"."""
    chunk: int
    """The most prompt tokens in one forward pass: 512."""
    prefix_cache: int
    """Bytes of keys and values that are kept of texts which nothing holds."""
    kv_memory: int
    """The most bytes of keys and values; 0: what the system has."""
    expert_memory: int
    """Bytes for the experts of a mixture; 0: all are in memory."""
    rope_scaling: str | None
    """"none", "linear" or "yarn"; None, here and below: as the file has it."""
    rope_scale: float | None
    """By what factor positions are stretched."""
    yarn_orig_ctx: int | None
    """The context, in tokens, that yarn stretches."""
    rope_freq_base: float | None
    """The base of the rotary frequencies."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """The options of `LLM` that say how it computes, which explains each, with their defaults.

    One object from the command line to the core: each is `_core.Engine`'s argument of the same
    name, but for those of the rotary positions and of streamed experts, which go into the model,
    and for `memory`, by which others are chosen (`pestle.footprint.settle`).
    Raises ArgumentError and ArgumentTypeError.
    """

    n_ctx: int = _count(0)
    threads: int = _count(0)
    threads_prefill: int = _count(0)
    kv_type: str = "i16"
    chunk: int = _count(512, least=1)
    prefix_cache: int = _count(512 << 20, most=INT64_MAX)
    kv_memory: int = _count(0, most=INT64_MAX)
    expert_memory: int = _count(0, most=INT64_MAX)
    memory: int | None = None
    rope_scaling: str | None = None
    rope_scale: float | None = None
    yarn_orig_ctx: int | None = _count(None, least=1)
    rope_freq_base: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if "range" in each.metadata and value is not each.default:
                checked = check_integer(each.name, value, *each.metadata["range"])
                object.__setattr__(self, each.name, checked)  # frozen for everyone else
        if self.memory is not None:
            object.__setattr__(self, "memory", check_size("memory", self.memory))
        _check_kv_type(self.kv_type)
        if self._rope():
            self.rope()

    def of_core(self) -> dict[str, Any]:
        """The arguments of `_core.Engine`."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in _OF_MODEL and each.name != "memory"
        }

    @property
    def streams(self) -> bool:
        """Whether experts are read from the file when tokens ask for them."""
        return self.expert_memory > 0

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


_OF_ROPE = ("rope_scaling", "rope_scale", "yarn_orig_ctx", "rope_freq_base")
_OF_MODEL = (*_OF_ROPE, "expert_memory")


def _check_kv_type(kv_type: object) -> None:
    keys, slash, values = kv_type.partition("/") if isinstance(kv_type, str) else ("", "", "")
    if keys in KV_TYPES and (not slash or values in KV_TYPES):
        return
    if not isinstance(kv_type, str):
        raise mistyped("kv_type", kv_type, "a string")
    from pestle.errors import ArgumentError, shown

    known = ", ".join(map(repr, KV_TYPES))
    raise ArgumentError(
        f"kv_type is {shown(kv_type)}, expected {known} or two of them, as in 'q8_0/i16'"
    )
