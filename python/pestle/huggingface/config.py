"""config.json, in the words of transformers 5 whichever version wrote it.

Version 4 has `rope_theta` and `rope_scaling` where 5 has `rope_parameters`, a model that sees
images has the text model's config inside of its own, and Gemma's leaves out what is the default of
its class in transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

from pestle.errors import FormatError, UnsupportedError
from pestle.untrusted_json import read_object

_GEMMA3_DEFAULTS: Final[Mapping[str, Any]] = {
    "vocab_size": 262_208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-6,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "tie_word_embeddings": True,
}
"""Of Gemma3TextConfig in transformers 4.50 to 5.24."""
_DEFAULTS: Final = {"gemma3": _GEMMA3_DEFAULTS, "gemma3_text": _GEMMA3_DEFAULTS}
_FLOAT32_MAX = (2 - 2**-23) * 2.0**127
_MOST: Final = {"num_hidden_layers": 10_000, "head_dim": 65_536}
"""Of numbers that something is made for each of, before the tensors could contradict them."""
FULL, SLIDING = "full_attention", "sliding_attention"


class ModelConfig(Mapping[str, Any]):
    """The text model's config, with `rope_parameters` and `head_dim` always there.

    The methods read a key as a type and raise FormatError, which names file and key, for a value
    of another one or for a key without a default that is missing.
    """

    def __init__(self, values: Mapping[str, Any], path: Path = Path("config.json")) -> None:
        self.path = path
        self._values = _text_model(values, path)
        self._values["rope_parameters"] = self._rope()
        if not self._values.get("head_dim") and "hidden_size" in self._values:
            heads = self.positive("num_attention_heads")
            self._values["head_dim"] = self.whole("hidden_size") // heads

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def model_type(self) -> str:
        return self.text("model_type")

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number, 0 to 2^31 - 1 or what `_MOST` says."""
        found, most = self._found(key, default), _MOST.get(key, 2**31 - 1)
        if type(found) is not int or found < 0:
            raise self.error(key, "a whole number")
        if found > most:
            raise self.error(key, f"at most {most:,}")
        return found

    def positive(self, key: str, default: int | None = None) -> int:
        """A whole number, 1 to 2^31 - 1."""
        if (found := self.whole(key, default)) == 0:
            raise self.error(key, "a positive number")
        return found

    def number(self, key: str, default: float | None = None) -> float:
        """A number that 32 bits hold."""
        found = self._found(key, default)
        if not is_float32(found):
            raise self.error(key, "a number")
        return float(found)

    def flag(self, key: str, default: bool) -> bool:
        found = self._found(key, default)
        if not isinstance(found, bool):
            raise self.error(key, "true or false")
        return found

    def text(self, key: str, default: str | None = None) -> str:
        found = self._found(key, default)
        if not isinstance(found, str):
            raise self.error(key, "a string")
        return found

    def rope(self, layers: str = FULL) -> Mapping[str, Any]:
        """The rotary parameters of layers that see everything, or of those with a window."""
        parameters = self._values["rope_parameters"]
        return dict(parameters.get(layers, parameters))

    def require(self, key: str, wanted: Any, default: Any = None) -> None:
        """UnsupportedError unless the key is absent, null, or has the value that GGUF implies."""
        found = self._values.get(key, default)
        if found is not None and found != wanted:
            raise UnsupportedError(
                f"{self.path}: `{key}` is {found!r:.60}, which GGUF cannot express: "
                f"expected {wanted!r}"
            )

    def error(self, key: str, wanted: str) -> FormatError:
        shown = repr(self._values.get(key))
        shown = f"{shown[:57]}..." if len(shown) > 60 else shown
        found = f"is {shown}" if key in self._values else "is missing"
        return FormatError(f"{self.path}: `{key}` {found}, expected {wanted}")

    def _found(self, key: str, default: Any) -> Any:
        found = self._values.get(key)
        return default if found is None else found

    def _rope(self) -> dict[str, Any]:
        values = self._values
        found = values.get("rope_parameters")
        if isinstance(found, dict) and found:
            if FULL in found or SLIDING in found:
                return {
                    kind: self._with_type({"rope_theta": theta} | self._object(found.get(kind)))
                    for kind, theta in ((FULL, 1e6), (SLIDING, 1e4))
                }
            return self._with_type({"rope_theta": values.get("rope_theta", 10000.0), **found})
        theta = self.number(
            "rope_theta", 1e6 if str(values.get("model_type")) in _DEFAULTS else 1e4
        )
        everywhere = self._with_type(
            {"rope_theta": theta} | self._object(values.get("rope_scaling"))
        )
        if str(values.get("model_type")) not in _DEFAULTS:
            return everywhere
        local = {"rope_type": "default", "rope_theta": self.number("rope_local_base_freq", 1e4)}
        return {FULL: everywhere, SLIDING: local}

    def _object(self, found: Any) -> dict[str, Any]:
        """`found`, or nothing where it is null."""
        if found is not None and not isinstance(found, dict):
            raise FormatError(
                f"{self.path}: rotary parameters are {found!r:.60}, expected an object"
            )
        return found or {}

    def _with_type(self, rope: dict[str, Any]) -> dict[str, Any]:
        kind = rope.get("rope_type", rope.get("type", "default"))
        return {**rope, "rope_type": kind}


def is_float32(value: Any) -> TypeGuard[float]:
    """Whether a value from JSON is a number that 32 bits hold."""
    return type(value) in (int, float) and abs(value) <= _FLOAT32_MAX


def layer_kinds(config: ModelConfig, period: int) -> list[str]:
    """What each layer sees: FULL or SLIDING; of `period` layers the last sees everything."""
    n_layers = config.whole("num_hidden_layers")
    found = config.get("layer_types")
    if found is None:
        period = config.whole("sliding_window_pattern", period)
        return [SLIDING if (i + 1) % max(period, 1) else FULL for i in range(n_layers)]
    if (
        not isinstance(found, list)
        or len(found) != n_layers
        or not all(kind in (FULL, SLIDING) for kind in found)
    ):
        raise config.error("layer_types", f"{n_layers} of {FULL} and {SLIDING}")
    return found


def read_config(path: Path) -> ModelConfig:
    """The config at `path`; FormatError where it is none, Error where it cannot be read."""
    return ModelConfig(read_object(path), path)


def _text_model(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    inner = values.get("text_config")
    if inner is not None and not isinstance(inner, dict):
        raise FormatError(f"{path}: `text_config` is not an object")
    merged = {key: value for key, value in values.items() if key != "text_config"} | (inner or {})
    if inner is not None:
        merged["model_type"] = inner.get("model_type", values.get("model_type"))
    return {**_DEFAULTS.get(str(merged.get("model_type")), {}), **merged}
