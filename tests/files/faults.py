"""What a system may do to `pestle.files`: refuse a call, interrupt it, or end the process there."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pestle.files

_CHANGING = "open fdopen fsync mkdir rmdir unlink replace rename link symlink fchmod fchown"
_LOOKING = "lstat stat fstat listdir readlink"
_FILLING = "mkdir link symlink write truncate create"


@dataclass
class Fault:
    """At the `at`th call comes `kind`: the number of an error, "interrupt" or "kill".

    after: once the call has been carried out. A disk that is full stays full.
    """

    at: int
    kind: int | str
    after: bool = False
    count: int = 0
    fired: bool = False

    def before_call(self, name: str) -> None:
        self.count += 1
        if self.count == self.at and not self.after:
            self._strike()
        elif self.fired and self.kind == errno.ENOSPC and name in _FILLING.split():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def after_call(self) -> None:
        if self.count == self.at and self.after and not self.fired:
            self._strike()

    def _strike(self) -> None:
        self.fired = True
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "interrupt":
            raise KeyboardInterrupt
        assert isinstance(self.kind, int)
        raise OSError(self.kind, os.strerror(self.kind))


class FaultyStream:
    """A file whose writing may fail."""

    def __init__(self, stream: Any, fault: Fault) -> None:
        self._stream, self._fault = stream, fault

    def write(self, data: Any) -> int:
        self._fault.before_call("write")
        if self._fault.kind == "kill" and self._fault.count + 1 == self._fault.at:
            data = data[: len(data) // 2]  # the next call ends it: half is written
            self._stream.write(data)
            self._stream.flush()
            self._fault.before_call("write")
        written: int = self._stream.write(data)
        self._fault.after_call()
        return written

    def truncate(self, *size: int) -> int:
        self._fault.before_call("truncate")
        cut: int = self._stream.truncate(*size)
        self._fault.after_call()
        return cut

    def flush(self) -> None:
        self._fault.before_call("flush")
        self._stream.flush()
        self._fault.after_call()

    def __enter__(self) -> FaultyStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class FaultyOs:
    """The module `os`, with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in (*_CHANGING.split(), *_LOOKING.split()):
            return real
        fault = self._fault

        def called(*args: Any, **kwargs: Any) -> Any:
            creates = name == "open" and len(args) > 1 and args[1] & os.O_CREAT
            fault.before_call("create" if creates else name)
            # The process is what ends here, not the machine.
            done = None if name == "fsync" else real(*args, **kwargs)
            try:
                fault.after_call()
            except OSError:
                if name in ("open", "fdopen"):  # it was refused, so nothing is open
                    os.close(done) if name == "open" else done.close()  # type: ignore[arg-type, union-attr]
                raise
            return FaultyStream(done, fault) if name == "fdopen" else done

        return called


@contextmanager
def injected(fault: Fault) -> Iterator[None]:
    """Put it into every module of `pestle.files` for the block."""
    names = [m.name for m in pkgutil.iter_modules(pestle.files.__path__, "pestle.files.")]
    modules: list[Any] = [importlib.import_module(name) for name in names]
    faulty = FaultyOs(fault)
    with_os = [module for module in modules if hasattr(module, "os")]
    for module in with_os:
        module.os = faulty
    try:
        yield
    finally:
        for module in with_os:
            module.os = os
