"""Tiny models with a vocabulary of bytes and a chat template: whole files, for whole programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.engine.parts import parts, windowed_parts
from tests.unit.text.toy import byte_level

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
# What was thought before the last question is left out.
THINKING = (
    "{% set ns = namespace(last=0) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
    "{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.reasoning_content and loop.index0 > ns.last %}<think>\n{{ m.reasoning_content }}\n"
    "</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def write(
    path: Path,
    *,
    window: int = 0,
    seed: int = 0,
    template: str = TEMPLATE,
    templates: Mapping[str, str] | None = None,
    keys: Mapping[str, Any] | None = None,
    **general: Any,
) -> Path:
    """A model of 4,000 tokens of context; of two layers one may have a window.

    `templates` are further ones, by their names; `keys` are further keys as they are.
    `general` are further keys of that group, or in place of its own.
    """
    model = windowed_parts(window) if window else parts("llama-tied")
    dim = model.metadata["embedding_length"]
    vocabulary = byte_level(
        ["t|h"], control=("<|im_start|>", "<|im_end|>", "<think>", "</think>"), eos="<|im_end|>"
    )
    n_vocab = len(vocabulary["tokenizer.ggml.tokens"])
    random = np.random.default_rng(seed)
    model.tensors["token_embd.weight"] = random.normal(size=(n_vocab, dim)).astype(np.float32)
    model.metadata |= {"context_length": 4000}
    model.general |= vocabulary | {
        "general.name": "tiny",
        "tokenizer.chat_template": template,
        **{f"tokenizer.chat_template.{key}": text for key, text in (templates or {}).items()},
        **({"tokenizer.chat_templates": [*templates]} if templates else {}),
        **{f"general.{key}": value for key, value in general.items()},
        **(keys or {}),
    }
    return model.write(path)
