"""The model of a chat, which may give way to another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pestle.cli import answering, habits, loading, units
from pestle.cli.console import Console
from pestle.cli.harmless import escaped
from pestle.cli.model_options import ModelOptions
from pestle.cli.refusal import RefusedError
from pestle.errors import Error

if TYPE_CHECKING:
    from pestle import LLM


class ModelSeat:
    """Loads models by the options of a chat, one at a time: two need not fit into memory."""

    def __init__(self, options: ModelOptions, llm: LLM, console: Console) -> None:
        self._options = options
        self._console = console
        self.llm = llm

    def change(self, name: str) -> LLM:
        """Load the model `name` in place of the one that is there, which is closed.

        Where that fails, the one that was there is loaded again, as `llm`, and what went wrong is
        raised.
        """
        named = habits.named_model([name]) or habits.NamedModel(name, None, ())
        wanted = replace(self._options, model=named.model, hub=named.hub, chat_template=None)
        try:
            loading.find(wanted, self._console)  # before anything is closed
        except click.exceptions.Exit as error:
            raise RefusedError("The model stays as it is.") from error
        before = replace(self._options, model=self.llm.path, hub=None)
        self.llm.close()
        try:
            self.llm = loading.load(wanted, self._console)
            answering.require_template(self.llm)
        except (Error, ValueError, OSError, click.ClickException, KeyboardInterrupt):
            self.llm.close()
            self.llm = loading.load(before, self._console)
            raise
        self._options = wanted
        return self.llm


def greeting(llm: LLM) -> str:
    """The line that says which model it is."""
    facts = f"{units.count(llm.model.n_params)} parameters, context {llm.n_ctx:,}"
    return f"{escaped(Path(llm.path).stem)}: {facts}"
