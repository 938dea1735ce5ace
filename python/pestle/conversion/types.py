"""The type that each tensor is stored in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pestle.errors import Error, UnsupportedError
from pestle.quantization import (
    ModelFacts,
    TensorFacts,
    fitting_type,
    is_quantized,
    mixture_types,
    row_bytes,
)
from pestle.tensors.types import is_requantized
from pestle.types import MIXTURES

if TYPE_CHECKING:
    from pestle.conversion.options import Options, TypeRule

_OF_MXFP4: Final = {"F32": "F32", "F16": "BF16", "BF16": "BF16"}
"""What MXFP4 becomes, by mixture."""

Shapes = Mapping[str, tuple[int, ...]]
"""By name; dimensions as in numpy."""


def stored_types(
    shapes: Shapes,
    now: Mapping[str, str],
    options: Options,
    model: ModelFacts,
    *,
    others: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The type of each tensor of a model in its new file.

    As llama.cpp chooses for the mixture, but for tensors that are MXFP4 in the source and lose
    nothing: they stay as they are unless floats are wanted, and F16 has not their range. Then as
    `options.tensor_types` says. now: the type of each tensor in the source. others: what tensors
    become of which a mixture says nothing, as norms; F32 by default.

    Error: a rule matches no matrix, a type does not fit, or a tensor that is quantized would be
    quantized again, which nobody has allowed.
    """
    facts = [TensorFacts(name, shape[::-1]) for name, shape in shapes.items()]
    matrices = [tensor.name for tensor in facts if is_quantized(tensor)]
    types = mixture_types(options.to, facts, model, has_importance=options.imatrix is not None)
    types |= {n: others[n] for n in types.keys() - set(matrices)} if others is not None else {}
    mxfp4 = [name for name in matrices if now[name] == "MXFP4"]
    types |= dict.fromkeys(mxfp4, _OF_MXFP4.get(options.to, "MXFP4"))
    types |= _ruled(options.rules, matrices, shapes)
    if not options.allow_requantize:
        _refuse_requantizing(matrices, now, types)
    return types


def too_narrow(to: str, shapes: Shapes, stored: Mapping[str, str]) -> list[str]:
    """The matrices that have not the types of the mixture `to` because of their columns.

    stored: the type that each tensor has.
    """
    base = MIXTURES.get(to, "F32")
    return [
        name
        for name, shape in shapes.items()
        if is_quantized(TensorFacts(name, shape[::-1]))
        and fitting_type(base, shape[-1]) != base
        and stored[name] not in (base, "MXFP4")
    ]


def _ruled(rules: Sequence[TypeRule], matrices: Iterable[str], shapes: Shapes) -> dict[str, str]:
    """What the rules say of the matrices that they match."""
    matched: dict[str, TypeRule] = {}
    found: set[str] = set()
    for name in matrices:
        fitting = [rule for rule in rules if rule.pattern.search(name)]
        found |= {rule.text for rule in fitting}
        if fitting:
            matched[name] = fitting[0]
    for rule in rules:
        if rule.text not in found:
            raise Error(f"tensor_types: {rule.text}: no matrix of this model has such a name")
        if rule not in matched.values():
            raise Error(f"tensor_types: {rule.text}: earlier ones match all that it matches")
    for name, rule in matched.items():
        _check_fit(rule, name, shapes[name][-1])
    return {name: rule.type for name, rule in matched.items()}


def _check_fit(rule: TypeRule, name: str, columns: int) -> None:
    try:
        row_bytes(rule.type, columns)
    except UnsupportedError as error:
        raise Error(f"tensor_types: {rule.text}: `{name}`: {error}") from error


def _refuse_requantizing(
    matrices: Iterable[str], now: Mapping[str, str], then: Mapping[str, str]
) -> None:
    for name in matrices:
        if is_requantized(now[name], then[name]):
            raise Error(
                f"tensor `{name}` is {now[name]} already: as {then[name]} it would be rounded "
                "twice, and lose more than from the original; allow_requantize=True does it "
                "nevertheless"
            )
