"""What decides the bytes of a new file, beside its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pestle.errors import ArgumentError, UnsupportedError
from pestle.suggest import did_you_mean
from pestle.tokenizer.pretokenizers import PRE_TOKENIZERS
from pestle.types import MIXTURES, QUANTIZABLE

_ALWAYS: Final = ("to", "name", "split_size")
"""Options that every record has."""
_TEXT: Final = (str, type(None))
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "to": (str,),
    "name": _TEXT,
    "split_size": (int,),
    "tensor_types": (list,),
    "imatrix": _TEXT,
    "allow_requantize": (bool,),
    "target_size": (int,),
    "target_bpw": (float, int),
    "calibration": _TEXT,
    "sensitivities": _TEXT,
    "tokenizer_pre": _TEXT,
    "chosen_types": (dict,),
}
"""What a record, which may come from a hostile file, has for each option."""


@dataclass(frozen=True)
class TypeRule:
    """A type for every matrix in whose name `pattern` is found."""

    text: str
    pattern: re.Pattern[str]
    type: str


def type_rule(text: str) -> TypeRule:
    """The rule that `text` is: REGEX=TYPE. ArgumentError says what is wrong with it."""
    pattern, equals, kind = text.rpartition("=")
    kind = kind.upper()
    if not equals or not pattern:
        raise ArgumentError(f"{text!r} is not REGEX=TYPE, as in ffn_down=Q6_K")
    if kind not in QUANTIZABLE:
        raise ArgumentError(
            f"{text!r}: {kind:.40} is not a type, expected {', '.join(QUANTIZABLE)}"
        )
    try:
        return TypeRule(text, re.compile(pattern), kind)
    except re.error as error:
        raise ArgumentError(
            f"{text!r}: {pattern!r} is not a regular expression: {error}"
        ) from error


@dataclass(frozen=True)
class ConversionOptions:
    """`to`: a type, or a mixture; `tensor_types`: REGEX=TYPE, of which the first that matches wins.

    imatrix: the sha256 of the importance matrix, if there is one. tokenizer_pre: what the user says
    cuts text into words, in place of tokenizer.json. chosen_types: those of single matrices, by
    name, in a file of a wanted size (`pestle.conversion.targets`); target_size, target_bpw,
    calibration and sensitivities tell why: what the file's bytes, or its bits a weight, were
    limited to, and the sha256 of the text that was read and of what was measured.
    UnsupportedError: `to` is not a type, or `tokenizer_pre` is not known; ValueError: something in
    `tensor_types` is not a rule, or in `chosen_types` not a type.
    """

    to: str
    name: str | None = None
    split_size: int = 0
    tensor_types: tuple[str, ...] = ()
    imatrix: str | None = None
    allow_requantize: bool = False
    target_size: int = 0
    target_bpw: float = 0.0
    calibration: str | None = None
    sensitivities: str | None = None
    tokenizer_pre: str | None = None
    chosen_types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.to not in MIXTURES:
            raise UnsupportedError(
                f"cannot convert to {self.to!r:.40}, expected {', '.join(MIXTURES)}"
                f"{did_you_mean(str(self.to), MIXTURES)}"
            )
        for text in self.tensor_types:
            type_rule(text)  # raises what is wrong with it
        for name, kind in self.chosen_types.items():
            if kind not in QUANTIZABLE:
                raise ValueError(f"`chosen_types` has {kind!r:.40} for `{name:.60}`")
        if self.tokenizer_pre is not None and self.tokenizer_pre not in PRE_TOKENIZERS:
            raise UnsupportedError(
                f"the pre-tokenizer {self.tokenizer_pre!r:.40} is not known, "
                f"expected {', '.join(PRE_TOKENIZERS)}"
            )

    @property
    def rules(self) -> list[TypeRule]:
        """`tensor_types`, read."""
        return [type_rule(text) for text in self.tensor_types]

    def record(self) -> dict[str, Any]:
        """As JSON-ready data. What is not asked for is left out, and changes no other file."""
        asked = {name: value for name, value in asdict(self).items() if value or name in _ALWAYS}
        return asked | ({"tensor_types": list(self.tensor_types)} if self.tensor_types else {})

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> ConversionOptions:
        """TypeError or ValueError: this is not a record of this version."""
        for key, value in record.items():
            if type(value) not in _KINDS.get(key, ()):
                raise ValueError(f"`{key:.60}` is {value!r:.60}")
        rules = record.get("tensor_types", [])
        if not all(isinstance(rule, str) for rule in rules):
            raise ValueError("`tensor_types` holds something that is not a string")
        return cls(**{**record, "tensor_types": tuple(rules)})
