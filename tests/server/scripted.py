"""A model that thinks and calls tools, as Qwen3 does, and says what a script has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pestle import LLM

_TEMPLATE = Path(__file__).parents[1] / "data/templates/Qwen-Qwen3-0.6B.jinja"
_MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
_OPEN, _CLOSE, _CALL, _CALL_END = range(259, 263)
_END, _N_VOCAB = 257, 263
_HEADER = chr(256) + "assistant\n"
_NO_THOUGHT = f"{chr(_OPEN)}\n\n{chr(_CLOSE)}\n\n"
_SPELLED = {256: "<|im_start|>", _END: "<|im_end|>", **dict(enumerate(_MARKS, _OPEN))}

Script: TypeAlias = "list[str | int]"
"""What is said: texts, and control tokens."""


def thinks(text: str) -> Script:
    """Reasoning."""
    return [_OPEN, f"\n{text}\n", _CLOSE, "\n\n"]


def calls(name: str, **arguments: Any) -> Script:
    """A call."""
    call = json.dumps({"name": name, "arguments": arguments})
    return [_CALL, f"\n{call}\n", _CALL_END]


def scripted(
    make_llm: Callable[..., LLM],
    *answers: Script | Callable[[str], Script],
    n_ctx: int = 8192,
    prompts: list[str] | None = None,
    **engine: Any,
) -> LLM:
    """A model whose first answer in a chat is the first script, its second one the second ...

    The last one is given again to what comes after. An answer that is a function makes its script
    of the text of the prompt. Where the model is not to think, it says what comes after its
    thoughts. `prompts` gets the text of each prompt that it answers. Keywords are the engine's.
    """

    def model(tokens: list[int]) -> NDArray[np.float32]:
        # A chat is text again: its control tokens are the numbers above the bytes.
        text = "".join(map(chr, tokens))
        before, _, begun = text.rpartition(_HEADER)
        answer = answers[min(text.count(_HEADER), len(answers)) - 1]
        script = _tokens(answer(_spelled(before)) if callable(answer) else answer)
        if begun.startswith(_NO_THOUGHT):
            begun = begun.removeprefix(_NO_THOUGHT)
            after = "".join(map(chr, script)).rpartition(_NO_THOUGHT[-3:])[2]
            script = list(map(ord, after))
        said = len(begun)
        if said == 0 and prompts is not None:
            prompts.append(_spelled(text))
        values = np.zeros(_N_VOCAB, np.float32)
        values[script[min(said, len(script) - 1)]] = 20
        return values

    return make_llm(
        marks=_MARKS,
        template=_TEMPLATE.read_text(),
        architecture="qwen3",
        model=model,
        n_ctx=n_ctx,
        **engine,
    )


def _tokens(script: Script) -> list[int]:
    said = [t for part in script for t in ([part] if isinstance(part, int) else part.encode())]
    return [*said, _END]


def _spelled(text: str) -> str:
    return text.translate(_SPELLED).encode("latin-1").decode()
