"""Every error that Pestle raises on purpose; all derive from `Error`.

The first five are thrown by the C++ core, the others by the Python above it.
"""

from pestle._core import (
    ContextLengthError,
    Error,
    FormatError,
    MemoryLimitError,
    UnsupportedError,
)


class TokenizerError(UnsupportedError):
    """The file's tokenizer is malformed, or of a kind that Pestle does not know."""


class TemplateError(Error):
    """A chat template is missing, faulty, too costly, or refused the messages it was given."""


class ModelNotFoundError(Error):
    """No model has this name, path or hub repository."""


class DownloadError(Error):
    """A model could not be fetched: the network failed, or the bytes have another digest."""


class OfflineError(DownloadError):
    """The model is not on this machine, and the network may not be used."""


__all__ = [
    "ContextLengthError",
    "DownloadError",
    "Error",
    "FormatError",
    "MemoryLimitError",
    "ModelNotFoundError",
    "OfflineError",
    "TemplateError",
    "TokenizerError",
    "UnsupportedError",
]
