"""From a path to a model that generates: opens the file, then everything that is made from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pestle._core import Drafter, Engine, GgufFile, Model, Sampler
from pestle.engine.loaded import Loaded
from pestle.errors import ArgumentError, FormatError, shown
from pestle.footprint import settle
from pestle.formats import format_of
from pestle.models.catalogue import entry_of_file
from pestle.models.stamp import open_stamped
from pestle.options import EngineOptions, Sampling, sampling_of_file, states_sampling
from pestle.progress import task
from pestle.template import ChatTemplate, template_of
from pestle.template.chat_template import NAME
from pestle.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pestle.models import Progress

_POOLINGS = {0: None, 1: "mean", 2: "cls", 3: "last", 4: "rank"}
"""GGUF's numbers."""


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
    settled = settle(file, options)
    options = settled.options
    if settled.spare_cache:
        file.spare_cache()
    with (
        task(progress, f"loading {Path(path).name}", file.size) as advance,
        ThreadPoolExecutor(max_workers=1) as aside,
    ):
        text = aside.submit(_text_side, file, chat_template)
        steps = _steps(advance, text)
        # Packing shares its work out as prefill does.
        threads = options.threads_prefill or options.threads
        try:
            model = Model(
                file,
                threads=threads,
                progress=steps,
                rope=options.rope(),
                expert_memory=options.expert_memory,
            )
        except ValueError as error:  # of an option that the file cannot follow
            raise ArgumentError(str(error)) from None
        tokenizer, template = text.result()
    if tokenizer.n_vocab > model.n_vocab:
        raise FormatError(
            f"{file.path}: the vocabulary has {tokenizer.n_vocab} tokens, "
            f"expected {model.n_vocab} at most, as the embedding has rows"
        )
    engine = Engine(model, pass_memory=settled.pass_memory, **options.of_core())
    sampling, source = _sampling(file, path, model.architecture)
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
        sampling=sampling,
        sampling_source=source,
        pooling=_pooling(file, model.architecture),
        seed=seed,
        streams=model.expert_memory > 0,
        drafter=Drafter,
        files=files,
        options=options,
        settled=settled,
    )


def _name(file: GgufFile) -> str | None:
    name = file.get("general.name")
    if name is not None and not isinstance(name, str):
        raise FormatError(f"{file.path}: general.name is {shown(name)}, expected a string")
    return name


def _sampling(
    file: GgufFile, path: str | os.PathLike[str], architecture: str
) -> tuple[Sampling, str | None]:
    """How to sample, and who says so."""
    if states_sampling(file.get):
        return sampling_of_file(file.get), "the model's file"
    entry = entry_of_file(Path(path), architecture)
    if entry is None or entry.sampling is None:
        return Sampling(), None
    return Sampling(**entry.sampling.values), entry.sampling.source  # type: ignore[arg-type]


def _pooling(file: GgufFile, architecture: str) -> str | None:
    """How the file has one vector made of a text, by name; None where it says nothing of that."""
    key = f"{architecture}.pooling_type"
    number = file.get(key)
    if number is not None and type(number) is not int:
        raise FormatError(f"{file.path}: {key} is {shown(number)}, expected a whole number")
    return None if number is None else _POOLINGS.get(number, str(number))


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
