"""`transformers` on the dequantized weights of a GGUF file, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scores import Logits
from transformers import AutoModelForCausalLM, AutoTokenizer


class Transformers:
    """One sequence, with its cache of keys and values."""

    def __init__(self, path: Path) -> None:
        source: dict[str, Any] = {"gguf_file": path.name}
        self.tokenizer: Any = AutoTokenizer.from_pretrained(path.parent, **source)
        self.model: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, dtype=torch.float32, attn_implementation="eager", **source
        ).eval()
        self._cache: Any = None

    def clear(self) -> None:
        """Forgets all tokens."""
        self._cache = None

    def feed(self, tokens: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Appends tokens; logits of the last (n_vocab) or of all of them (tokens, n_vocab)."""
        with torch.no_grad():
            out = self.model(
                torch.tensor([list(tokens)]),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=0 if all_logits else 1,
            )
        self._cache = out.past_key_values
        logits: Logits = out.logits[0].numpy().astype(np.float32)
        return logits if all_logits else logits[-1]
