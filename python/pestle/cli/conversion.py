"""What `pestle convert` and `pestle quantize` share: options, and what they say of a new file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pestle.cli import units
from pestle.cli.console import Console
from pestle.cli.evaluate import meaning
from pestle.cli.option_groups import Command, collect
from pestle.cli.options import memory_option, threads_option
from pestle.types import MIXTURES

if TYPE_CHECKING:
    from pestle.conversion import Conversion

_SHOWN = 5  # names of tensors, before the rest is only counted


class TypeName(click.Choice):  # type: ignore[type-arg]  # generic in new versions only
    """A type or a mixture, in any case; another word is told the nearest one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pestle.suggest import did_you_mean  # brings difflib

        name = str(value).upper()
        if name not in MIXTURES:
            near = did_you_mean(name, MIXTURES)
            self.fail(f"'{value}' is not a type, expected {', '.join(MIXTURES)}{near}", param, ctx)
        return name


TYPE = TypeName(tuple(MIXTURES), case_sensitive=False)


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """Bytes, as in 500M or 4G; decimal."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+)([MG])", str(value).upper())
        if match is None or match[1].strip("0") == "":
            self.fail(f"'{value}' is not a size, as in 500M or 4G", param, ctx)
        return int(match[1]) * {"M": 10**6, "G": 10**9}[match[2]]


class Rule(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """REGEX=TYPE, checked where it stands."""

    name = "regex=type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pestle.conversion.options import type_rule

        try:
            return type_rule(str(value)).text
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True)
class WritingOptions:
    """How a file is written."""

    tensor_types: tuple[str, ...]
    imatrix: str | None
    allow_requantize: bool
    split_size: int
    overwrite: bool
    certify: bool
    memory: int | None
    threads: int


_WRITING: tuple[Callable[[Any], Any], ...] = (
    click.option("--tensor-type", "tensor_types", multiple=True, metavar="REGEX=TYPE", type=Rule(),
                 help="Another type for matrices in whose names REGEX is found, as in "
                      "ffn_down=Q6_K; may be repeated, and the first that matches wins."),
    click.option("--imatrix", metavar="FILE", type=click.Path(),
                 help="An importance matrix: columns that matter more are kept more exactly."),
    click.option("--allow-requantize", is_flag=True,
                 help="Quantize what is quantized already, though it loses more."),
    click.option("--split-size", metavar="SIZE", type=Size(), default=None,
                 help="Begin another file after so much data, as in 4G.  [default: one file]"),
    click.option("--overwrite", is_flag=True, help="Replace a finished file that is there."),
    click.option("--certify", is_flag=True,
                 help="Measure what the new file has lost of its source, as `pestle eval` does, "
                      "and store it in the file."),
    memory_option("tensors pass in pieces as small as that asks for, and models that are measured "
                  "are streamed; never decides a byte."),
    threads_option("Threads that encode; never decides a byte."),
)  # fmt: skip


def writing_options(command: Command) -> Command:
    """Add what says how a file is written, as `writing: WritingOptions`."""
    return collect(command, _WRITING, "writing", _writing)


def _writing(values: dict[str, Any]) -> WritingOptions:
    return WritingOptions(**{**values, "split_size": values["split_size"] or 0})


def report(made: Conversion, console: Console, as_json: bool) -> None:
    """Say what was made, and print its path."""
    if as_json:
        console.json(made.to_dict())
        return
    for line in lines(made):
        console.note(line)
    console.out(str(made.paths[0]))


def lines(made: Conversion) -> list[str]:
    """What was made, for people."""
    sizes = f"{units.size(made.bytes_read)} became {units.size(made.bytes_written)}"
    found = [f"{sizes} in {made.seconds:.1f} s: {_kinds(made.types)}"]
    if made.resumed:
        found.append("An interrupted conversion was taken up.")
    if made.requantized:
        found.append(
            f"Quantized again: {_kinds(made.requantized)}. That loses more than quantizing the "
            "original does."
        )
    if made.too_narrow:
        matrices = sum(made.types.values()) - made.types.get("F32", 0)
        found.append(
            f"{len(made.too_narrow)} of {matrices} matrices have larger types than "
            f"{made.manifest.options['to']}'s: their rows are not whole blocks of 256 columns "
            f"({', '.join(made.too_narrow[:_SHOWN])}{', ...' * (len(made.too_narrow) > _SHOWN)})"
        )
    if pre := made.manifest.options.get("tokenizer_pre"):
        found.append(f"Text is cut into words as `{pre}` does, whatever tokenizer.json says.")
    if "sensitivities" in made.manifest.options:
        measured = "calibration" in made.manifest.options
        found.append(
            "Types were chosen by what rounding was measured to cost."
            if measured
            else "Types were chosen without running the model, by what is typical of models."
        )
    if names := made.without_importance:
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        noun = "tensor" if len(names) == 1 else "tensors"
        found.append(f"The importance matrix knows nothing of {len(names)} {noun}: {shown}")
    if made.refusal:
        found.append(f"Pestle itself does not run this file: {made.refusal}")
    if (certificate := made.certificate) is not None:
        found.append(f"It {'; '.join(meaning(certificate.divergence, 'its source'))}.")
        found += [f"Something is wrong: {text}" for text in certificate.evaluation.problems]
    return found


def _kinds(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
