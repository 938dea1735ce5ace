"""Pestle as a model of EleutherAI's lm-evaluation-harness (`pip install 'pestle[lm-eval]'`).

    python -m pestle.lm_eval --model pestle --model_args model=FILE.gguf --tasks hellaswag

is the harness's own command with one more model. In a program, import this module before the
harness looks for "pestle", or hand it `PestleLM(...)`. It scores in this process.
"""

from __future__ import annotations

from typing import Any

try:
    import lm_eval.models  # noqa: F401  (it looks for its own models only while there is no other)
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
except ImportError as error:
    raise ImportError("pestle.lm_eval needs the harness: pip install 'pestle[lm-eval]'") from error

from pestle.harness import Backend
from pestle.llm import LLM


@register_model("pestle")
class PestleLM(TemplateLM):  # type: ignore[misc]  # the harness may be absent
    """A model for the harness.

    model, and further arguments, are those of `pestle.LLM`: `hf`, `n_ctx`, `threads`, `kv_type` ...
    batch_size, max_batch_size and device are what the harness gives every model, whatever it asks
    for; they have no meaning here.
    """

    def __init__(
        self,
        model: str | LLM | None = None,
        *,
        max_gen_toks: int = 256,
        batch_size: Any = 1,
        max_batch_size: Any = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.llm = model if isinstance(model, LLM) else LLM(model, **options)
        self._backend = Backend(self.llm, max_gen_toks=int(max_gen_toks))

    @property
    def max_length(self) -> int:
        """The context, in tokens."""
        return self.llm.n_ctx

    @property
    def max_gen_toks(self) -> int:
        """How many tokens are generated where a task does not say."""
        return self._backend.max_gen_toks

    @property
    def eot_token_id(self) -> int:
        """What ends a text."""
        return self._backend.end_token

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text without context."""
        return self._backend.prefix_token

    @property
    def tokenizer_name(self) -> str:
        """For the harness's cache of requests."""
        return self.llm.path.replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """The tokens of a text."""
        return self._backend.encode(string, add_special=add_special_tokens is not False)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The template's source, by which results are told apart."""
        template = self.llm.template
        return None if not chat_template or template is None else template.source

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A chat as text."""
        return self._backend.chat(chat_history, answer=add_generation_prompt)

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        """The log probability of each whole text."""
        results = self._backend.rolling([request.args[0] for request in requests])
        self._keep("loglikelihood_rolling", requests, results)
        return results

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """The text after each context."""
        results = [self._backend.generate(*request.args) for request in requests]
        self._keep("generate_until", requests, results)
        return results

    def _loglikelihood_tokens(
        self, requests: Any, disable_tqdm: bool = False, **kwargs: Any
    ) -> list[tuple[float, bool]]:
        results = self._backend.log_likelihoods([(context, more) for _, context, more in requests])
        for (texts, _, _), result in zip(requests, results, strict=True):
            if texts is not None:
                self.cache_hook.add_partial("loglikelihood", texts, result)
        return results

    def _keep(self, kind: str, requests: Any, results: Any) -> None:
        for request, result in zip(requests, results, strict=True):
            self.cache_hook.add_partial(kind, request.args, result)


__all__ = ["PestleLM"]

if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
