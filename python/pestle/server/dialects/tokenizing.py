"""From texts to tokens and back, as vLLM has it: `/tokenize`, `/detokenize`, `/tokenizer_info`.

Source: vllm/entrypoints/serve/tokenize/protocol.py. lm-evaluation-harness relies on them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pestle.llm import LLM
from pestle.server import fields as body_fields
from pestle.server.endpoint import Call, Reply
from pestle.server.errors import ApiError


class TokenizeFields(msgspec.Struct, kw_only=True):
    """Of `/tokenize`: a `prompt`, or `messages` and what goes with them."""

    model: str | None = None
    prompt: str | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool = False
    messages: list[dict[str, Any]] | None = None
    add_generation_prompt: bool = True
    chat_template_kwargs: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None


class DetokenizeFields(msgspec.Struct, kw_only=True):
    """Of `/detokenize`."""

    tokens: list[int]
    model: str | None = None


_REFUSED = {
    "chat_template": "the model's own template lays chats out",
    "continue_final_message": "an answer always begins anew",
}


async def tokenize(call: Call[TokenizeFields]) -> Reply:
    """The tokens that the model would read."""
    fields, llm = call.fields, call.served.llm
    body_fields.refuse(dict(call.raw), _REFUSED)
    tokens = await call.service.prepared(_tokens, llm, fields)
    body = {"count": len(tokens), "max_model_len": llm.n_ctx, "tokens": tokens}
    if fields.return_token_strs:
        body["token_strs"] = [_text(llm, token) for token in tokens]
    return Reply(body)


async def detokenize(call: Call[DetokenizeFields]) -> Reply:
    """The text of tokens; control tokens are spelled out."""
    llm = call.served.llm
    text = await call.service.prepared(
        lambda: llm.detokenize(call.fields.tokens, skip_special=False)
    )
    return Reply({"prompt": text})


def _tokens(llm: LLM, fields: TokenizeFields) -> list[int]:
    if (fields.prompt is None) == (fields.messages is None):
        raise ApiError(400, "expected either prompt or messages", param="prompt")
    if fields.prompt is not None:
        special = fields.add_special_tokens is not False
        return llm.tokenize(fields.prompt, add_special=special, parse_special=True)
    if fields.add_special_tokens:
        said = "the chat template says what stands around a chat"
        raise ApiError(400, f"add_special_tokens: {said}", param="add_special_tokens")
    if not fields.add_generation_prompt:
        said = "chats are laid out to be answered"
        raise ApiError(400, f"add_generation_prompt: {said}", param="add_generation_prompt")
    return llm.chat_tokens(fields.messages or [], fields.tools, fields.chat_template_kwargs)


def tokenizer_info(llm: LLM) -> dict[str, Any]:
    """What tokenizer_config.json holds, as far as the model's file says it."""
    tokenizer, template = llm.tokenizer, llm.template
    bos, eos = tokenizer.bos_id, tokenizer.eos_id
    return {
        # Hugging Face's class for what a tokenizer.json describes, of whatever model.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": llm.n_ctx,
        "vocab_size": tokenizer.n_vocab,
        "bos_token": None if bos is None else _text(llm, bos),
        "eos_token": None if eos is None else _text(llm, eos),
        "add_bos_token": tokenizer.add_bos,
        "add_eos_token": tokenizer.add_eos,
        "chat_template": None if template is None else template.source,
    }


def _text(llm: LLM, token: int) -> str:
    """A token as the vocabulary writes it; bytes of the file that are no text become "?"."""
    return llm.tokenizer.token_text(token).encode("utf-8", "replace").decode()
