"""Pestle: open-weight language models on an ordinary CPU.

from pestle import LLM

with LLM() as llm:  # the default model; or LLM("model.gguf"), LLM(hf="user/repo:Q4_K_M")
    for chunk in llm.chat([{"role": "user", "content": "Hello!"}], stream=True):
        print(chunk.text, end="", flush=True)
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pestle import errors as errors
    from pestle.chat import Conversation, Session
    from pestle.conversion import Conversion, Target, Verification, convert, quantize, verify
    from pestle.engine import AsyncStream, Stream
    from pestle.errors import (
        ArgumentError,
        ArgumentTypeError,
        ContextLengthError,
        DownloadError,
        Error,
        FormatError,
        GrammarError,
        MemoryLimitError,
        ModelNotFoundError,
        OfflineError,
        ParseError,
        SessionError,
        TemplateError,
        TokenizerError,
        UnknownCharacterError,
        UnsupportedError,
    )
    from pestle.llm import LLM
    from pestle.options import ChatOptions, EmbedOptions, GenerateOptions
    from pestle.planning import Plan, plan
    from pestle.quality import Evaluation, evaluate
    from pestle.results import (
        CallDelta,
        ChatCompletion,
        Chunk,
        Completion,
        Reuse,
        ScoredToken,
        Timings,
        TokenLogprob,
        ToolCall,
        Usage,
    )

    __version__: str

__all__ = [
    "LLM",
    "ArgumentError",
    "ArgumentTypeError",
    "AsyncStream",
    "CallDelta",
    "ChatCompletion",
    "ChatOptions",
    "Chunk",
    "Completion",
    "ContextLengthError",
    "Conversation",
    "Conversion",
    "DownloadError",
    "EmbedOptions",
    "Error",
    "Evaluation",
    "FormatError",
    "GenerateOptions",
    "GrammarError",
    "MemoryLimitError",
    "ModelNotFoundError",
    "OfflineError",
    "ParseError",
    "Plan",
    "Reuse",
    "ScoredToken",
    "Session",
    "SessionError",
    "Stream",
    "Target",
    "TemplateError",
    "Timings",
    "TokenLogprob",
    "TokenizerError",
    "ToolCall",
    "UnknownCharacterError",
    "UnsupportedError",
    "Usage",
    "Verification",
    "__version__",
    "convert",
    "evaluate",
    "plan",
    "quantize",
    "verify",
]

# What `import pestle` need not load: the command line starts faster for it.
_WHERE = {
    "pestle.chat": ("Conversation", "Session"),
    "pestle.conversion": ("Conversion", "Target", "Verification", "convert", "quantize", "verify"),
    "pestle.engine": ("AsyncStream", "Stream"),
    "pestle.errors": (
        "ArgumentError",
        "ArgumentTypeError",
        "ContextLengthError",
        "DownloadError",
        "Error",
        "FormatError",
        "GrammarError",
        "MemoryLimitError",
        "ModelNotFoundError",
        "OfflineError",
        "ParseError",
        "SessionError",
        "TemplateError",
        "TokenizerError",
        "UnknownCharacterError",
        "UnsupportedError",
    ),
    "pestle.llm": ("LLM",),
    "pestle.options": ("ChatOptions", "EmbedOptions", "GenerateOptions"),
    "pestle.planning": ("Plan", "plan"),
    "pestle.quality": ("Evaluation", "evaluate"),
    "pestle.results": (
        "CallDelta",
        "ChatCompletion",
        "Chunk",
        "Completion",
        "Reuse",
        "ScoredToken",
        "Timings",
        "TokenLogprob",
        "ToolCall",
        "Usage",
    ),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def _attribute(name: str) -> Any:
    if name == "__version__":
        from pestle.version import own_version

        value: Any = own_version()
    elif name == "errors":
        value = import_module(f"pestle.{name}")
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        # With these, a traceback asks "Did you mean".
        of = sys.modules[__name__]
        raise AttributeError(f"module 'pestle' has no attribute {name!r}", name=name, obj=of)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # type checkers take any name for right where they see one
    __getattr__ = _attribute


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
