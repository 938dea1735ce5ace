"""The type that each tensor is stored in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pestle.errors import Error, UnsupportedError
from pestle.quantization import (
    Shapes,
    fitting_type,
    is_quantized,
    mixture_types,
    row_bytes,
)
from pestle.tensors.model import SourceModel
from pestle.tensors.type_changes import is_requantized
from pestle.types import MIXTURES

if TYPE_CHECKING:
    from pestle.conversion.options import ConversionOptions, TypeRule

_OF_MXFP4: Final = {"F32": "F32", "F16": "BF16", "BF16": "BF16"}
"""What MXFP4 becomes, by mixture."""


def stored_types(source: SourceModel, options: ConversionOptions) -> dict[str, str]:
    """The type of each tensor of a model in its new file.

    As llama.cpp chooses for the mixture, but for tensors that are MXFP4 in the source and lose
    nothing: they stay as they are unless floats are wanted, and F16 lacks their range. Then as
    `options.chosen_types` and `options.tensor_types` say. What mixtures say nothing of, as norms,
    becomes F32, or stays as it is in a model that is copied `verbatim`.

    Error: a rule matches no matrix, a type does not fit, or a tensor that is quantized would be
    quantized again, which was not allowed.
    """
    shapes = {tensor.name: tensor.shape for tensor in source.tensors}
    now = {tensor.name: tensor.type for tensor in source.tensors}
    matrices = [name for name, shape in shapes.items() if is_quantized(name, shape)]
    has_importance = options.imatrix is not None
    types = mixture_types(options.to, shapes, source.facts, has_importance=has_importance)
    if source.verbatim:
        types |= {name: now[name] for name in types.keys() - set(matrices)}
    mxfp4 = [name for name in matrices if now[name] == "MXFP4"]
    types |= dict.fromkeys(mxfp4, _OF_MXFP4.get(options.to, "MXFP4"))
    types |= _chosen(options.chosen_types, matrices, shapes)
    types |= _ruled(options.rules, matrices, shapes)
    if not options.allow_requantize:
        _refuse_requantizing(matrices, now, types)
    return types


def too_narrow(to: str, shapes: Shapes, stored: Mapping[str, str]) -> list[str]:
    """The matrices that do not have the types of the mixture `to` because of their columns.

    stored: the type that each tensor has.
    """
    base = MIXTURES.get(to, "F32")
    return [
        name
        for name, shape in shapes.items()
        if is_quantized(name, shape)
        and fitting_type(base, shape[-1]) != base
        and stored[name] not in (base, "MXFP4")
    ]


def _chosen(
    chosen: Mapping[str, str], matrices: Iterable[str], shapes: Shapes
) -> Mapping[str, str]:
    """What was chosen for single matrices, where they are there and it fits them."""
    if unknown := chosen.keys() - set(matrices):
        raise Error(f"chosen_types: no matrix of this model is called `{min(unknown):.100}`")
    for name, kind in chosen.items():
        _check_fit(f"chosen_types: {kind}", kind, name, shapes[name][-1])
    return chosen


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
        _check_fit(f"tensor_types: {rule.text}", rule.type, name, shapes[name][-1])
    return {name: rule.type for name, rule in matched.items()}


def _check_fit(where: str, kind: str, name: str, columns: int) -> None:
    try:
        row_bytes(kind, columns)
    except UnsupportedError as error:
        raise Error(f"{where}: `{name}`: {error}") from error


def _refuse_requantizing(
    matrices: Iterable[str], now: Mapping[str, str], then: Mapping[str, str]
) -> None:
    for name in matrices:
        if is_requantized(now[name], then[name]):
            raise Error(
                f"tensor `{name}` is {now[name]} already: as {then[name]} it would be rounded "
                "twice, and lose more than from the original; allow_requantize=True does it anyway"
            )
