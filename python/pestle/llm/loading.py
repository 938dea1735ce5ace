"""From a path to a model that generates: opens the file, then everything that is made from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pestle._core import Drafter, Engine, GgufFile, Model, RopeOverride, Sampler
from pestle.engine.loaded import Loaded
from pestle.errors import ArgumentError, ArgumentTypeError, FormatError, shown
from pestle.formats import format_of
from pestle.models.progress import task
from pestle.models.stamp import open_stamped
from pestle.options import (
    INT32_MAX,
    INT64_MAX,
    PREFIX_CACHE,
    check_integer,
    sampling_of_file,
    states_sampling,
)
from pestle.template import ChatTemplate, template_of
from pestle.template.chat_template import NAME
from pestle.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pestle.models import Progress


KV_TYPES = ("f16", "f32", "q8_0")


@dataclass(frozen=True)
class EngineOptions:
    """How the model and its forward pass are set up; `LLM` explains each.

    Raises ArgumentError and ArgumentTypeError.
    """

    n_ctx: int = 0
    threads: int = 0
    threads_prefill: int = 0
    kv_type: str = "f16"
    chunk: int = 512
    prefix_cache: int = PREFIX_CACHE
    rope: RopeOverride = field(default_factory=RopeOverride)
    rope_words: str = "those of the file"  # the same, for people and to compare

    def __post_init__(self) -> None:
        for name, least in (("n_ctx", 0), ("threads", 0), ("threads_prefill", 0), ("chunk", 1)):
            checked = check_integer(name, getattr(self, name), least, INT32_MAX)
            object.__setattr__(self, name, checked)  # the class is frozen for everyone else
        check_integer("prefix_cache", self.prefix_cache, 0, INT64_MAX)
        if not isinstance(self.kv_type, str):
            raise ArgumentTypeError(f"kv_type is {shown(self.kv_type)}, expected a string")
        keys, slash, values = self.kv_type.partition("/")
        if keys not in KV_TYPES or (slash and values not in KV_TYPES):
            raise ArgumentError(
                f"kv_type is {self.kv_type!r}, expected 'f16', 'f32', 'q8_0' or two of them, "
                "as in 'q8_0/f16'"
            )


def rope_override(
    scaling: str | None, scale: float | None, original_context: int | None, base: float | None
) -> RopeOverride:
    """What takes the place of the file's scaling. Raises TypeError and ValueError."""
    if original_context is not None:
        original_context = check_integer("yarn_orig_ctx", original_context, 1, INT32_MAX)
    return RopeOverride(
        rope_scaling=scaling,
        rope_scale=scale,
        yarn_orig_ctx=original_context,
        rope_freq_base=base,
    )


def rope_words(
    scaling: str | None, scale: float | None, original_context: int | None, base: float | None
) -> str:
    """What `rope_override` is given, as text: the same for the same numbers."""
    given = {
        "rope_scaling": scaling,
        "rope_scale": None if scale is None else float(scale),
        "yarn_orig_ctx": original_context,
        "rope_freq_base": None if base is None else float(base),
    }
    stated = [f"{name}={value}" for name, value in given.items() if value is not None]
    return " ".join(stated) or EngineOptions.rope_words


def load(
    path: str | os.PathLike[str],
    options: EngineOptions,
    *,
    chat_template: str | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Load the model file at `path`; `chat_template` takes the place of its own template:
    the text of one, or the name of another one of the file.

    The text side is built while the weights are packed; when it fails, the packing stops.
    Raises FormatError, UnsupportedError and MemoryLimitError; KeyboardInterrupt ends it early.
    """
    file, files = open_stamped(path)
    name = _name(file)
    with (
        task(progress, f"loading {Path(path).name}", file.size) as advance,
        ThreadPoolExecutor(max_workers=1) as aside,
    ):
        text = aside.submit(_text_side, file, chat_template)
        steps = _steps(advance, text)
        # Packing shares its work out as prefill does.
        threads = options.threads_prefill or options.threads
        model = Model(file, threads=threads, progress=steps, rope=options.rope)
        tokenizer, template = text.result()
    if tokenizer.n_vocab > model.n_vocab:
        raise FormatError(
            f"{file.path}: the vocabulary has {tokenizer.n_vocab} tokens, "
            f"expected {model.n_vocab} at most, as the embedding has rows"
        )
    engine = Engine(
        model,
        n_ctx=options.n_ctx,
        threads=options.threads,
        threads_prefill=options.threads_prefill,
        kv_type=options.kv_type,
        chunk=options.chunk,
        prefix_bytes=options.prefix_cache,
    )
    return Loaded(
        name=name or Path(path).stem,
        path=os.fspath(path),
        architecture=model.architecture,
        n_vocab=model.n_vocab,
        model=model,
        engine=engine,
        sampler=Sampler,
        tokenizer=tokenizer,
        template=template,
        format=format_of(model.architecture, template.source if template else None, tokenizer),
        sampling=sampling_of_file(file.get),
        states_sampling=states_sampling(file.get),
        seed=seed,
        drafter=Drafter,
        files=files,
        numbers={"kv_type": options.kv_type, "options": options.rope_words},
    )


def _name(file: GgufFile) -> str | None:
    name = file.get("general.name")
    if name is not None and not isinstance(name, str):
        raise FormatError(f"{file.path}: general.name is {shown(name)}, expected a string")
    return name


def _text_side(file: GgufFile, chat_template: str | None) -> tuple[Tokenizer, ChatTemplate | None]:
    tokenizer = Tokenizer.from_gguf(file)
    if chat_template is not None and NAME.fullmatch(chat_template):
        return tokenizer, ChatTemplate.from_gguf(file, tokenizer, name=chat_template)
    if chat_template is not None:
        return tokenizer, ChatTemplate(chat_template, tokenizer)
    return tokenizer, template_of(file, tokenizer)


def _steps(advance: Callable[[int], None], text: Future[Any]) -> Callable[[int, int], bool]:
    """The core reports how much is done; a task hears how much more."""
    before = 0

    def report(done: int, total: int) -> bool:
        nonlocal before
        advance(done - before)
        before = done
        if text.done():
            text.result()  # raises what went wrong with it
        return True  # go on; Ctrl-C is raised in here

    return report
