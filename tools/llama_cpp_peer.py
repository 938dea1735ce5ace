"""llama.cpp, through the ctypes bindings of `llama-cpp-python`, reduced to token ids and logits."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import TracebackType

import llama_cpp as lc
import numpy as np
from scores import Logits

KV_TYPES = {
    "f32": lc.GGML_TYPE_F32,
    "f16": lc.GGML_TYPE_F16,
    "i16": lc.GGML_TYPE_F16,  # the 16 bits that it has
    "q8_0": lc.GGML_TYPE_Q8_0,
}
FLASH_ATTENTION = {
    "auto": lc.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": lc.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": lc.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


class LlamaCpp:
    """One model in one context of `n_ctx` tokens, on `threads` threads.

    Without `repack`, weights stay as they lie in the file, and AMX is not used.
    """

    def __init__(
        self,
        path: str,
        *,
        n_ctx: int,
        threads: int,
        ubatch: int = 512,
        repack: bool = True,
        kv: str = "f16",
        flash_attention: str = "auto",
    ) -> None:
        self._silent = lc.llama_log_callback(lambda *_: None)  # kept: C holds no reference to it
        lc.llama_log_set(self._silent, ctypes.c_void_p(0))
        lc.llama_backend_init()
        loading = lc.llama_model_default_params()
        loading.use_extra_bufts = repack
        self._model = lc.llama_model_load_from_file(path.encode(), loading)
        if not self._model:
            raise OSError(f"llama.cpp does not open {path}")
        settings = lc.llama_context_default_params()
        settings.n_ctx = n_ctx
        settings.n_batch = settings.n_ubatch = ubatch
        settings.n_threads = settings.n_threads_batch = threads
        settings.type_k = settings.type_v = KV_TYPES[kv]
        settings.flash_attn_type = FLASH_ATTENTION[flash_attention]
        self._context = lc.llama_init_from_model(self._model, settings)
        if not self._context:
            raise OSError(f"llama.cpp makes no context of {n_ctx} tokens")
        self._batch_size = ubatch
        self._batch = lc.llama_batch_init(ubatch, 0, 1)
        self._position = 0
        vocab = lc.llama_model_get_vocab(self._model)
        self.n_vocab = int(lc.llama_vocab_n_tokens(vocab))

    def __enter__(self) -> LlamaCpp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lc.llama_batch_free(self._batch)
        lc.llama_free(self._context)
        lc.llama_model_free(self._model)

    def clear(self) -> None:
        """Forgets all tokens."""
        lc.llama_memory_clear(lc.llama_get_memory(self._context), True)
        self._position = 0

    def truncate(self, n_tokens: int) -> None:
        """Forgets all but the first n_tokens."""
        if not lc.llama_memory_seq_rm(lc.llama_get_memory(self._context), 0, n_tokens, -1):
            raise RuntimeError(f"llama.cpp cannot go back to {n_tokens} tokens")
        self._position = n_tokens

    def advance(self, tokens: Sequence[int]) -> None:
        """Appends tokens; computes the last one's logits and leaves them in the context."""
        for start in range(0, len(tokens), self._batch_size):
            part = tokens[start : start + self._batch_size]
            self._decode(part, False, start + len(part) == len(tokens))

    def feed(self, tokens: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Appends tokens; logits of the last (n_vocab) or of all of them (tokens, n_vocab)."""
        rows = []
        for start in range(0, len(tokens), self._batch_size):
            part = tokens[start : start + self._batch_size]
            final = start + len(part) == len(tokens)
            self._decode(part, all_logits, final)
            if all_logits:
                rows += [self._row(i) for i in range(len(part))]
        return np.stack(rows) if all_logits else self._row(-1)

    def _decode(self, tokens: Sequence[int], all_logits: bool, final: bool) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = self._position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = all_logits or (final and i == len(tokens) - 1)
        if lc.llama_decode(self._context, batch):
            raise RuntimeError("llama_decode failed")
        lc.llama_synchronize(self._context)
        self._position += len(tokens)

    def _row(self, i: int) -> Logits:
        row = lc.llama_get_logits_ith(self._context, i)
        return np.ctypeslib.as_array(row, shape=(self.n_vocab,)).copy()
