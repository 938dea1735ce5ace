"""Every error that Pestle raises on purpose; all derive from `Error`.

The first seven are thrown by the C++ core, the others by the Python above it.
"""

from pestle._core import (
    ContextLengthError,
    Error,
    FormatError,
    InterruptionError,
    MemoryLimitError,
    QuantizeError,
    UnsupportedError,
)


class ArgumentError(Error, ValueError):
    """An argument of the Python API is wrong: a prompt, a message, a tool or an option."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument is of the wrong type, or an option does not exist."""


class UnknownCharacterError(Error):
    """A text holds a character that the model's vocabulary cannot express."""


class TokenizerError(UnsupportedError):
    """The file's tokenizer is malformed, or of a kind that Pestle does not know."""


class TemplateError(Error):
    """A chat template is missing, faulty, too costly, or refused the messages it was given."""


class GrammarError(Error, ValueError):
    """A schema or grammar is wrong or cannot be held, or no token can follow as it wants."""


class ParseError(Error, ValueError):
    """An answer is not the JSON that it was to be: it ended early, or its class refuses it."""


class ModelNotFoundError(Error):
    """No model has this name, path or hub repository."""


class DownloadError(Error):
    """A model could not be fetched: the network failed, or the bytes have another digest."""


class OfflineError(DownloadError):
    """The model is not on this machine, and the network may not be used."""


class SessionError(Error):
    """A session cannot be saved or loaded: its name, another process, or the disk."""


def shown(value: object, most: int = 60) -> str:
    """How a message shows a value that somebody handed over: its beginning, as Python writes it."""
    try:
        return f"{value!r:.{most}}"
    except RecursionError:  # lists within lists, deeper than Python follows
        return f"a {type(value).__name__} that is nested too deeply"
    except ValueError:  # Python writes no integer of more than some thousand digits
        return f"a {type(value).__name__} with too many digits to be shown"


def prompt_too_long(needed: int, limit: int) -> ContextLengthError:
    """The ContextLengthError of a prompt of `needed` tokens, in a context that holds `limit`.

    It has both counts as attributes, as those do that the core throws.
    """
    error = ContextLengthError(f"the prompt has {needed} tokens, the context holds {limit}")
    error.needed, error.limit = needed, limit
    return error


__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "ContextLengthError",
    "DownloadError",
    "Error",
    "FormatError",
    "GrammarError",
    "InterruptionError",
    "MemoryLimitError",
    "ModelNotFoundError",
    "OfflineError",
    "ParseError",
    "QuantizeError",
    "SessionError",
    "TemplateError",
    "TokenizerError",
    "UnknownCharacterError",
    "UnsupportedError",
]
