"""What Tab completes beside commands and options: models and saved chats, by their names.

Imports are late: a command is begun far more often than it is completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.shell_completion import CompletionItem


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names on this disk and those that can be fetched; files where no name begins so.

    Bash takes either names or files.
    """
    from click.shell_completion import CompletionItem

    from pestle.models import CATALOGUE, installed

    if ctx.params.get("words"):
        return []  # what follows the model's name is text
    known = [*(model.name for model in installed()), *CATALOGUE]
    return _beginning(known, incomplete) or [CompletionItem(incomplete, type="file")]


def sessions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of saved chats."""
    from pestle.sessions import saved_sessions

    return _beginning((entry.name for entry in saved_sessions()), incomplete)


def removable(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names that `pestle rm` deletes: downloaded models, or saved chats with --session."""
    from pestle.models import installed

    if ctx.params.get("of_session"):
        return sessions(ctx, param, incomplete)
    return _beginning((model.name for model in installed()), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]
