"""How tokens are chosen, and how many.

Numbers that were not given stay None: the model's own defaults, then Pestle's, fill them in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from pestle.cli.option_groups import Command, collect, parameters_of
from pestle.cli.option_types import (
    ABOVE_ZERO,
    COUNT,
    FINITE,
    LAST_N,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    SHARE_ABOVE_ZERO,
    LogitBias,
)
from pestle.options import Sampling

if TYPE_CHECKING:
    from pestle.options import GenerateOptions

_DEFAULTS = Sampling()


def sampling_options(command: Command) -> Command:
    """Add what says how tokens are chosen, as `sampling: GenerateOptions`."""
    return collect(command, _SAMPLING, "sampling", _sampling)


def _stated(name: str, more: str = "") -> str:
    """What the help of an option of sampling says, as the model's file may state its default."""
    return f"  [default: the model's, else {getattr(_DEFAULTS, name):g}{more}]"


_SAMPLING = (
    click.option("-n", "--max-tokens", metavar="N", type=POSITIVE,
                 help="Stop after this many tokens.  [default: when the model is done; in a chat "
                      "on a terminal, after 4,096, or 16,384 if it thinks, or half the context]"),
    click.option("--stop", multiple=True, metavar="TEXT",
                 help="Stop before this text; may be repeated."),
    click.option("--seed", metavar="N", type=SEED,
                 help="The same seed gives the same text.  [default: random]"),
    click.option("--temp", "temperature", metavar="T", type=NOT_NEGATIVE,
                 help="Temperature; 0 takes the likeliest token."
                      + _stated("temperature",
                                "; run and chat in a pipe: 0, if nothing says how to sample")),
    click.option("--top-k", metavar="K", type=COUNT,
                 help="Keep the K likeliest tokens; 0 keeps all." + _stated("top_k")),
    click.option("--top-p", metavar="P", type=SHARE_ABOVE_ZERO,
                 help="Keep the likeliest tokens that sum to P; 1 keeps all." + _stated("top_p")),
    click.option("--min-p", metavar="P", type=SHARE,
                 help="Drop tokens below P times the likeliest; 0 keeps all." + _stated("min_p")),
    click.option("--repeat-penalty", metavar="X", type=ABOVE_ZERO,
                 help="Make recent tokens less likely; 1 is off." + _stated("repeat_penalty")),
    click.option("--repeat-last-n", metavar="N", type=LAST_N,
                 help="How many tokens the penalties look back on; -1: all."
                      + _stated("repeat_last_n")),
    click.option("--frequency-penalty", metavar="X", type=FINITE,
                 help="Taken off a recent token's logit each time it occurred.  [default: 0]"),
    click.option("--presence-penalty", metavar="X", type=FINITE,
                 help="Taken off a recent token's logit once.  [default: 0]"),
    click.option("--logit-bias", type=LogitBias(), multiple=True, metavar="ID=VALUE",
                 help="Add VALUE to a token's logit; may be repeated."),
    click.option("--speculation/--no-speculation", default=None,
                 help="Guess ahead where the text repeats itself: never other text, often sooner."
                      "  [default: on]"),
)  # fmt: skip


def sampling_parameters() -> dict[str, click.Option]:
    """The sampling options that can be given anew in a chat, by their names without dashes."""
    options = parameters_of(_SAMPLING)
    named = {option.opts[-1].lstrip("-"): option for option in options}
    del named["logit-bias"]  # a list of pairs: for the command line
    return named


def _sampling(values: dict[str, Any]) -> GenerateOptions:
    values["logit_bias"] = dict(values["logit_bias"]) or None
    values["stop"] = values["stop"] or None
    return cast("GenerateOptions", values)
