"""The options that several commands share, each defined once.

A decorator adds a group of options to a command and hands their values over as one object.
Numbers that were not given stay None: the model's own defaults, then Pestle's, fill them in.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from pestle.cli.console import current
from pestle.options import EngineOptions, Sampling
from pestle.options.checks import check_size
from pestle.options.values import KV_TYPES, ROPE_SCALINGS, UNKNOWN_CHARACTERS

if TYPE_CHECKING:
    from pestle.options import GenerateOptions

Command = TypeVar("Command", bound=Callable[..., Any])
_ENGINE = EngineOptions()  # the defaults
_SAMPLING_DEFAULTS = Sampling()


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it is loaded."""

    model: str | None = None  # a path or a name; None: the default model
    hub: str | None = None  # user/repo[:QUANT] on the Hugging Face hub
    offline: bool = False
    engine: EngineOptions = _ENGINE
    expert_stats: str | None = None  # a file for the counts of a mixture's experts
    chat_template: str | None = None  # the text of a template to use instead of the file's
    unknown_characters: str = "error"  # or "replace", in prompts

    @property
    def is_chosen(self) -> bool:
        """Whether a model is named; else it is the default one."""
        return self.model is not None or self.hub is not None


class LogitBias(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """`ID=VALUE`: a token id and what is added to its logit."""

    name = "id=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        if isinstance(value, tuple):
            return value
        token, equals, bias = str(value).partition("=")
        try:
            if not equals or int(token) < 0:
                raise ValueError
            return int(token), float(bias)
        except ValueError:
            self.fail(f"'{value}' is not ID=VALUE, as in 1234=-5 or 1234=-inf", param, ctx)


class Number(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A number in a range, described in words where click would print an inequality."""

    name = "number"

    def __init__(
        self, kind: type[int] | type[float], wanted: str, allows: Callable[[Any], bool]
    ) -> None:
        self._kind = kind
        self._wanted = wanted
        self._allows = allows

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        try:
            number = self._kind(value)
        except ValueError:
            noun = "a whole number" if self._kind is int else "a number"
            self.fail(f"'{value}' is not {noun}.", param, ctx)
        if not self._allows(number):
            self.fail(f"{value} is out of range: {self._wanted} is expected.", param, ctx)
        return number


class MemorySize(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """Bytes, as in 12GB, 12G or 800MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return check_size("memory", str(value))
        except ValueError:
            self.fail(f"'{value}' is not a size, as in 12GB or 800MiB.", param, ctx)


def whole_number(least: int) -> Number:
    """A number of tokens, threads or the like, as the core counts them."""
    return Number(int, f"from {least} to 2^31 - 1", lambda value: least <= value < 2**31)


COUNT, POSITIVE = whole_number(0), whole_number(1)
_SEED = Number(int, "from 0 to 2^64 - 1", lambda value: 0 <= value < 2**64)
_LAST_N = whole_number(-1)
_NOT_NEGATIVE = Number(float, "0 or more", lambda value: 0 <= value < math.inf)
_ABOVE_ZERO = Number(float, "above 0", lambda value: 0 < value < math.inf)
_SHARE = Number(float, "from 0 to 1", lambda value: 0 <= value <= 1)
_SHARE_ABOVE_ZERO = Number(float, "above 0 and at most 1", lambda value: 0 < value <= 1)
_FINITE = Number(float, "a number", math.isfinite)
_ROPE_SCALE = Number(float, "from 1 to 1,000,000", lambda value: 1 <= value <= 1e6)
_ROPE_BASE = Number(float, "above 1 and at most 10^12", lambda value: 1 < value <= 1e12)


def verbosity(command: Command) -> Command:
    """Add -v and -q, which also work before the command's name."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        console = current()
        if value:
            setattr(console, str(param.name), True)
        if console.verbose and console.quiet:
            raise click.UsageError("-v and -q exclude each other.", ctx)

    options = (
        click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=remember,
                     help="More on stderr: statistics, tracebacks."),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=remember,
                     help="Only errors on stderr."),
    )  # fmt: skip
    return _apply(command, options)


def model_options(command: Command) -> Command:
    """Add what says which model and how it is loaded, as `options: ModelOptions`."""
    return collect(command, _MODEL, "options", _model_options)


def engine_options(command: Command) -> Command:
    """Add --offline and what says how models are loaded, as `options: ModelOptions` of none."""
    return collect(command, (_OFFLINE, *_ENGINE_OPTIONS), "options", _engine_options)


def sampling_options(command: Command) -> Command:
    """Add what says how tokens are chosen, as `sampling: GenerateOptions`."""
    return collect(command, _SAMPLING, "sampling", _sampling)


def system_option(command: Command) -> Command:
    """Add -sys, as `system: str | None`."""
    help_text = "The system message: how the model should behave."
    return click.option("-sys", "--system", metavar="TEXT", help=help_text)(command)


def unknown_characters_option(command: Command) -> Command:
    """Add --unknown-characters, as `unknown_characters: str`, which goes into ModelOptions."""
    return click.option(
        "--unknown-characters",
        type=click.Choice(UNKNOWN_CHARACTERS),
        default=UNKNOWN_CHARACTERS[0],
        help="What becomes of characters of a prompt that the model's vocabulary cannot express; "
        "what replaces them is told.  [default: error]",
    )(command)


def threads_option(what: str) -> Callable[[Command], Command]:
    """Add -t of commands that run no chat, as `threads: int`; 0 leaves the choice to Pestle."""
    help_text = f"{what}  [default: chosen for this CPU]"
    return click.option("-t", "--threads", metavar="N", type=COUNT, default=0, help=help_text)


def memory_option(what: str) -> Callable[[Command], Command]:
    """Add --memory of commands that run no chat, as `memory: int | None`."""
    help_text = f"What the whole process may take, as in 12GB or 800MiB: {what}"
    return click.option(
        "--memory", metavar="SIZE", type=MemorySize(), help=f"{help_text}  [default: what is free]"
    )


def json_option(command: Command) -> Command:
    """Add --json, as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def _stated(name: str, more: str = "") -> str:
    """What the help of an option of sampling says, as the model's file may state its default."""
    return f"  [default: the model's, else {getattr(_SAMPLING_DEFAULTS, name):g}{more}]"


_WHICH = (
    click.option(
        "-m",
        "--model",
        metavar="FILE|NAME",
        help="A GGUF file or a name that `pestle ls` lists.  [default: SmolLM2-135M]",
    ),
    click.option(
        "-hf",
        "hub",
        metavar="USER/REPO[:QUANT]",
        help="A model on the Hugging Face hub, from its cache or downloaded.",
    ),
)
_OFFLINE = click.option("--offline", is_flag=True, help="Never use the network.")
_ENGINE_OPTIONS = (
    click.option(
        "-c",
        "--ctx-size",
        "n_ctx",
        metavar="N",
        type=COUNT,
        default=0,
        help="Context in tokens.  [default: the model's]",
    ),
    click.option(
        "-t",
        "--threads",
        metavar="N",
        type=COUNT,
        default=0,
        help="Threads that decode.  [default: chosen for this CPU]",
    ),
    click.option(
        "-tb",
        "--threads-prefill",
        metavar="N",
        type=COUNT,
        default=0,
        help="Threads that read the prompt.  [default: as -t]",
    ),
    click.option(
        "-ctk",
        "kv_k",
        type=click.Choice(KV_TYPES),
        help="Type of the cached keys; q8_0 takes half the memory of i16.  [default: i16]",
    ),
    click.option(
        "-ctv",
        "kv_v",
        type=click.Choice(KV_TYPES),
        help="Type of the cached values.  [default: as -ctk]",
    ),
    click.option(
        "--cache-ram",
        "prefix_cache",
        metavar="MIB",
        type=COUNT,
        default=_ENGINE.prefix_cache >> 20,
        callback=lambda ctx, param, mib: mib << 20,
        help="Memory for keys and values of texts that are over, to be used again where a "
        f"prompt begins alike.  [default: {_ENGINE.prefix_cache >> 20}]",
    ),
    click.option(
        "--memory",
        metavar="SIZE",
        type=MemorySize(),
        help="What the whole process may take, as in 12GB or 800MiB: context and cache are chosen "
        "to fit, and experts of a mixture that do not fit are read from the file as they are "
        "needed.  [default: what is free]",
    ),
    click.option(
        "--kv-memory",
        metavar="MIB",
        type=COUNT,
        default=_ENGINE.kv_memory >> 20,
        callback=lambda ctx, param, mib: mib << 20,
        help="The most memory for keys and values of all texts together, those of --cache-ram "
        "included.  [default: what the system has]",
    ),
    click.option(
        "--rope-scaling",
        type=click.Choice(ROPE_SCALINGS),
        help="How positions are stretched to a longer context.  [default: the model's]",
    ),
    click.option(
        "--rope-scale",
        metavar="N",
        type=_ROPE_SCALE,
        help="By what factor.  [default: the model's]",
    ),
    click.option(
        "--yarn-orig-ctx",
        metavar="N",
        type=POSITIVE,
        help="The context that yarn stretches, in tokens.  [default: the model's]",
    ),
    click.option(
        "--rope-freq-base",
        metavar="X",
        type=_ROPE_BASE,
        help="The base of the rotary frequencies.  [default: the model's]",
    ),
)
_MODEL = (
    *_WHICH,
    _OFFLINE,
    *_ENGINE_OPTIONS,
    click.option("--expert-stats", metavar="FILE", type=click.Path(dir_okay=False),
                 help="Write how many tokens each expert of a mixture served, as JSON."),
)  # fmt: skip

_SAMPLING = (
    click.option("-n", "--max-tokens", metavar="N", type=POSITIVE,
                 help="Stop after this many tokens.  [default: when the model is done; in a chat "
                      "on a terminal, after 4,096, or 16,384 if it thinks, or half the context]"),
    click.option("--stop", multiple=True, metavar="TEXT",
                 help="Stop before this text; may be repeated."),
    click.option("--seed", metavar="N", type=_SEED,
                 help="The same seed gives the same text.  [default: random]"),
    click.option("--temp", "temperature", metavar="T", type=_NOT_NEGATIVE,
                 help="Temperature; 0 takes the likeliest token."
                      + _stated("temperature",
                                "; run and chat in a pipe: 0, if nothing says how to sample")),
    click.option("--top-k", metavar="K", type=COUNT,
                 help="Keep the K likeliest tokens; 0 keeps all." + _stated("top_k")),
    click.option("--top-p", metavar="P", type=_SHARE_ABOVE_ZERO,
                 help="Keep the likeliest tokens that sum to P; 1 keeps all." + _stated("top_p")),
    click.option("--min-p", metavar="P", type=_SHARE,
                 help="Drop tokens below P times the likeliest; 0 keeps all." + _stated("min_p")),
    click.option("--repeat-penalty", metavar="X", type=_ABOVE_ZERO,
                 help="Make recent tokens less likely; 1 is off." + _stated("repeat_penalty")),
    click.option("--repeat-last-n", metavar="N", type=_LAST_N,
                 help="How many tokens the penalties look back on; -1: all."
                      + _stated("repeat_last_n")),
    click.option("--frequency-penalty", metavar="X", type=_FINITE,
                 help="Taken off a recent token's logit each time it occurred.  [default: 0]"),
    click.option("--presence-penalty", metavar="X", type=_FINITE,
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


def parameters_of(options: tuple[Callable[[Any], Any], ...]) -> list[click.Option]:
    """The click objects that option decorators make, in order."""
    probe = _apply(lambda: None, options)
    return list(reversed(probe.__click_params__))  # type: ignore[attr-defined]


def _model_options(values: dict[str, Any]) -> ModelOptions:
    if values["model"] and values["hub"]:
        raise click.UsageError("-m and -hf exclude each other.")
    return _engine_options(values)


def _engine_options(values: dict[str, Any]) -> ModelOptions:
    of_keys, of_values = values.pop("kv_k"), values.pop("kv_v")
    of_keys = of_keys or _ENGINE.kv_type
    of_values = of_values or of_keys
    values["kv_type"] = of_keys if of_keys == of_values else f"{of_keys}/{of_values}"
    names = {field.name for field in fields(EngineOptions)} & values.keys()
    try:
        engine = EngineOptions(**{name: values.pop(name) for name in names})
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    return ModelOptions(**values, engine=engine)


def _sampling(values: dict[str, Any]) -> GenerateOptions:
    values["logit_bias"] = dict(values["logit_bias"]) or None
    values["stop"] = values["stop"] or None
    return cast("GenerateOptions", values)


def _apply(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):  # click lists what was applied last first
        command = option(command)
    return command


def collect(
    command: Command,
    options: tuple[Callable[[Any], Any], ...],
    name: str,
    build: Callable[[dict[str, Any]], Any],
) -> Command:
    """Add `options` to a command and pass their values as one argument called `name`."""
    names = [str(parameter.name) for parameter in parameters_of(options)]

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        values = {key: kwargs.pop(key) for key in names}
        return command(*args, **kwargs, **{name: build(values)})

    return _apply(wrapper, options)  # type: ignore[return-value]
