"""From options to a loaded model: the one seam between the commands and the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pestle.cli import before_download, expert_stats
from pestle.cli.console import Console
from pestle.cli.model_options import ModelOptions
from pestle.cli.progress import Downloads, Loading

if TYPE_CHECKING:
    from pestle import LLM
    from pestle.models import Progress


@contextmanager
def loaded(options: ModelOptions, console: Console) -> Iterator[LLM]:
    """The model while it is in use; afterwards what the options want to know of that is written."""
    with load(options, console) as llm:
        if options.expert_stats is None:
            yield llm
            return
        expert_stats.check(llm, options.expert_stats)
        try:
            yield llm
        finally:
            expert_stats.write(llm, options.expert_stats)


def load(options: ModelOptions, console: Console) -> LLM:
    """Find the model, fetching it if it must be, and load it; bars show both."""
    llm = open_file(find(options, console), options, Loading(console))
    for note in llm.notes:
        console.note(note)
    trained = llm.model.n_ctx_train
    if llm.n_ctx > trained:
        console.note(f"The model was trained for {trained:,} tokens; beyond them it may fail.")
    for notice in llm.template.notices if llm.template is not None else ():
        console.note(notice)
    return llm


def find(options: ModelOptions, console: Console) -> Path:
    """The model's file, fetched if it must be; one that would not run here after a question."""
    from pestle.models import resolve

    _question(options, console)
    progress = Downloads(console)
    return resolve(options.model, hf=options.hub, offline=options.offline, progress=progress)


def _question(options: ModelOptions, console: Console) -> None:
    """Before a model is fetched that would not run here."""
    from pestle.models.resolution import reference_of

    if options.offline:
        return
    which = f"-hf {options.hub}" if options.hub is not None else options.model
    cure = f"`pestle pull --yes {which}` fetches it all the same"
    reference = reference_of(options.model, hf=options.hub)
    before_download.question(console, reference, options.engine, cure)


def open_file(path: Path, options: ModelOptions, progress: Progress) -> LLM:
    """Load a file; nothing is written."""
    from pestle import LLM

    return LLM(
        path,
        **asdict(options.engine),
        chat_template=options.chat_template,
        unknown_characters=options.unknown_characters,
        progress=progress,
    )


def installed_path(name: str | None) -> Path:
    """The file of a model that is on this machine: a path, a name, or None for the default.

    ModelNotFoundError: it is not.
    """
    from pestle.errors import ModelNotFoundError, OfflineError
    from pestle.models import DEFAULT_NAME, resolve

    try:
        return resolve(name, offline=True)
    except OfflineError as error:  # nobody has asked for the network, so it is not what is missing
        which = name or f"the default model, {DEFAULT_NAME},"
        raise ModelNotFoundError(
            f"{which} is not on this machine; `pestle pull{f' {name}' if name else ''}` fetches it"
        ) from error
