"""What `llguidance` raises that is not meant for callers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pestle.errors import GrammarError


@contextmanager
def library_errors(name: str) -> Iterator[None]:
    """Within, text that UTF-8 cannot write and mistakes of the library raise GrammarError.

    A panic of Rust is a BaseException, which nothing that expects errors would hear of.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise GrammarError(f"{name} holds half a character, which is not text") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise GrammarError(f"{name}: llguidance fails on it: {str(error)[:200]!r}") from error
