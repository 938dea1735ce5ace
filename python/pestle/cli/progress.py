"""How a download and the loading of a model show: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pestle.cli import units
from pestle.cli.console import Console, rich_console
from pestle.cli.harmless import escaped

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PATIENCE = 0.5  # seconds: what is loaded sooner needs no bar


class _Task:
    """One task at a time, of which so much is done; a bar, where one is shown."""

    def __init__(self) -> None:
        self._bar: _Bar | None = None
        self._done = 0

    def advance(self, n: int) -> None:
        """`n` more are done; negative when a transfer begins again."""
        self._done += n
        if self._bar is not None:
            self._bar.show(self._done)

    def finish(self) -> None:
        """The task ended, well or not."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Downloads(_Task):
    """Hears of `pestle.models`' tasks, one after another, and shows each from its beginning."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._label = ""
        self._total: int | None = None
        self._began = 0.0

    def start(self, label: str, total_bytes: int | None) -> None:
        """A task begins; `total_bytes` is None when its end is not known."""
        self._label, self._total, self._done = label, total_bytes, 0
        self._began = time.monotonic()
        if self._console.quiet:
            return
        if sys.stderr.isatty():
            self._bar = _Bar(label, total_bytes, transfer=True)
        else:
            amount = f" ({units.size(total_bytes)})" if total_bytes else ""
            self._console.note(f"{escaped(label)}{amount} ...")

    def finish(self) -> None:
        """The task ended; one line stays behind if everything arrived."""
        super().finish()
        if self._total is not None and self._done >= self._total:
            seconds = time.monotonic() - self._began
            self._console.note(
                f"{escaped(self._label)}: {units.size(self._done)} in {seconds:.1f} s"
            )


class Counts(_Task):
    """Hears of tasks that count something else than bytes; shows them on a terminal only."""

    def __init__(self, console: Console, unit: str) -> None:
        super().__init__()
        self._shown = not console.quiet and sys.stderr.isatty()
        self._unit = unit

    def start(self, label: str, total_bytes: int | None) -> None:
        """A task begins; the total is of whatever is counted."""
        self._done = 0
        if self._shown:
            self._bar = _Bar(label, total_bytes, transfer=True, unit=self._unit)


class Loading:
    """Shows weights being loaded on a terminal, if that takes long enough to wonder about."""

    def __init__(self, console: Console) -> None:
        self._shown = not console.quiet and sys.stderr.isatty()
        self._bar: _Bar | None = None
        self._label = ""
        self._total: int | None = None
        self._done = 0
        self._began = 0.0

    def start(self, label: str, total_bytes: int | None) -> None:
        """Loading begins."""
        self._label, self._total, self._done = label, total_bytes, 0
        self._began = time.monotonic()

    def advance(self, n: int) -> None:
        """`n` more bytes are loaded."""
        self._done += n
        if self._bar is not None:
            self._bar.show(self._done)
        elif self._shown and time.monotonic() - self._began > PATIENCE:
            self._bar = _Bar(self._label, self._total, transfer=False)
            self._bar.show(self._done)

    def finish(self) -> None:
        """Loading ended, well or not."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Bar:
    """One bar on the terminal behind stderr, which disappears when it is closed."""

    def __init__(
        self, label: str, total: int | None, *, transfer: bool, unit: str | None = None
    ) -> None:
        """`unit`: what is counted; None for bytes."""
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.table import Column

        whole = Column(no_wrap=True)  # the bar gives way, not the numbers
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
        if unit is not None:
            text = "{task.completed:,.0f}/{task.total:,.0f} " + escape(unit)
            columns.append(TextColumn(text, table_column=whole))
        elif total is not None:
            columns.append(DownloadColumn(table_column=whole))
        if total is not None and transfer:
            if unit is None:
                columns.append(TransferSpeedColumn(table_column=whole))
            columns.append(TimeRemainingColumn(compact=True, table_column=whole))
        self._progress: RichProgress = Progress(
            *columns, console=rich_console(sys.stderr), transient=True
        )
        self._task: TaskID = self._progress.add_task(escape(escaped(label)), total=total)
        self._progress.start()

    def show(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        self._progress.stop()
