"""A model that thinks and calls tools, as Qwen3 does, and says what a script has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pestle import LLM

_TEMPLATE = Path(__file__).parents[1] / "data/templates/Qwen-Qwen3-0.6B.jinja"
_MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
_OPEN, _CLOSE, _CALL, _CALL_END = range(259, 263)
_END, _N_VOCAB = 257, 263
_HEADER = chr(256) + "assistant\n"
_NO_THOUGHT = f"{chr(_OPEN)}\n\n{chr(_CLOSE)}\n\n"


def thinks(text: str) -> list[str | int]:
    """A script: reasoning."""
    return [_OPEN, f"\n{text}\n", _CLOSE, "\n\n"]


def calls(name: str, **arguments: Any) -> list[str | int]:
    """A script: a call."""
    call = json.dumps({"name": name, "arguments": arguments})
    return [_CALL, f"\n{call}\n", _CALL_END]


def scripted(
    make_llm: Callable[..., LLM],
    *answers: list[str | int],
    n_ctx: int = 8192,
    prompts: list[str] | None = None,
    **engine: Any,
) -> LLM:
    """A model whose first answer in a chat is the first script, its second one the second ...

    The last one is given again to what comes after. Where it is not to think, it says what comes
    after its thoughts. `prompts` gets the text of each prompt that it answers. Keywords are the
    engine's.
    """
    scripts = [
        [t for part in answer for t in ([part] if isinstance(part, int) else part.encode())]
        for answer in answers
    ]

    def model(tokens: list[int]) -> NDArray[np.float32]:
        # A chat is text again: its control tokens are the numbers above the bytes.
        text = "".join(map(chr, tokens))
        turns = text.count(_HEADER)
        begun = text.rpartition(_HEADER)[2]
        script = [*scripts[min(turns, len(scripts)) - 1], _END]
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


def _spelled(text: str) -> str:
    marks = {256: "<|im_start|>", _END: "<|im_end|>"}
    marks |= dict(zip(range(259, 263), _MARKS, strict=True))
    return text.translate(marks).encode("latin-1").decode()
