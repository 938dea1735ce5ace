"""Which model, and how it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import click

from pestle.cli import completion
from pestle.cli.option_groups import Command, collect
from pestle.cli.option_types import COUNT, POSITIVE, ROPE_BASE, ROPE_SCALE, MemorySize
from pestle.options import EngineOptions
from pestle.options.values import KV_TYPES, ROPE_SCALINGS

_ENGINE = EngineOptions()  # the defaults


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


def model_options(command: Command) -> Command:
    """Add what says which model and how it is loaded, as `options: ModelOptions`."""
    return collect(command, _MODEL, "options", _model_options)


def engine_options(command: Command) -> Command:
    """Add --offline and what says how models are loaded, as `options: ModelOptions` of none."""
    return collect(command, (_OFFLINE, *_ENGINE_OPTIONS), "options", _engine_options)


_WHICH = (
    click.option(
        "-m",
        "--model",
        metavar="FILE|NAME",
        shell_complete=completion.models,
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
        help="Memory for keys and values of finished texts, which are used again when a "
        f"prompt begins the same way.  [default: {_ENGINE.prefix_cache >> 20}]",
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
        type=ROPE_SCALE,
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
        type=ROPE_BASE,
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
