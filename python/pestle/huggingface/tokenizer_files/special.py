"""The tokens that play a part (they begin a text, end it, pad it), and which of them are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pestle.errors import TokenizerError
from pestle.huggingface import ModelConfig
from pestle.huggingface.tokenizer_files.recognition import Json, steps_of
from pestle.tokenizer import Tokenizer

Keys = dict[str, Any]
_ROLES: Final = {
    "bos": "bos",
    "eos": "eos",
    "unk": "unknown",
    "sep": "seperator",  # as files spell it
    "pad": "padding",
    "mask": "mask",
}
"""GGUF's `tokenizer.ggml.*_token_id` by the role's name in tokenizer_config.json."""
_EOT: Final = "tokenizer.ggml.eot_token_id"


def special_keys(
    ids: Mapping[str, int],
    tokenizer_config: Json,
    definition: Json | None,
    config: ModelConfig,
    generation: Json,
) -> Keys:
    """The keys of roles, by text in tokenizer_config.json or by number in the other configs.

    `ids`: tokens by text. `definition`: tokenizer.json, whose post-processor adds tokens where
    tokenizer_config.json does not say. TokenizerError: a role's text is not a token.
    """
    keys: Keys = {}
    for role, name in _ROLES.items():
        text = tokenizer_config.get(f"{role}_token")
        text = text.get("content") if isinstance(text, Mapping) else text
        if text is None:
            token = _stated(role, config, generation)
        elif isinstance(text, str) and text in ids:
            token = ids[text]
        else:
            raise TokenizerError(f"tokenizer_config.json: {role}_token {text!r:.40} is not a token")
        if token is not None:
            keys[f"tokenizer.ggml.{name}_token_id"] = token
    for role in ("bos", "eos"):
        added = tokenizer_config.get(f"add_{role}_token")
        if not isinstance(added, bool) and definition is not None:
            text = _added(definition, role)
            put = None if text is None else ids.get(text)
            token = keys.get(f"tokenizer.ggml.{role}_token_id")
            if role == "eos" and put is not None and token not in (None, put):
                # GGUF can have no token but EOS put behind a text. What ended one is an end still.
                keys["tokenizer.ggml.eos_token_id"], keys[_EOT] = put, token
                token = put
            added = put is not None and put == token
        if isinstance(added, bool):
            keys[f"tokenizer.ggml.add_{role}_token"] = added
    return keys


def _stated(role: str, *configs: Mapping[str, Any]) -> int | None:
    for config in configs:
        found = config.get(f"{role}_token_id")
        found = found[0] if isinstance(found, list) and found else found
        if type(found) is int and 0 <= found < 2**31:
            return found
    return None


def _added(definition: Json, role: str) -> str | None:
    """The token that the post-processor puts before (bos) or behind (eos) each text."""
    for step in steps_of(definition.get("post_processor"), "processors"):
        parts = step.get("single")
        if step.get("type") != "TemplateProcessing" or not isinstance(parts, list) or not parts:
            continue
        end = parts[0 if role == "bos" else -1]
        token = end.get("SpecialToken") if isinstance(end, Mapping) else None
        text = token.get("id") if isinstance(token, Mapping) else None
        return text if isinstance(text, str) else None
    return None


def with_all_ends(keys: Keys, generation: Json) -> Keys:
    """The keys, checked by reading them, and with a token that ends generation as `eot`.

    generation_config.json may list several such tokens. Readers know most of them by their texts.
    """
    known = Tokenizer.from_gguf(keys).eog_ids
    found = generation.get("eos_token_id")
    wanted = [e for e in (found if isinstance(found, list) else [found]) if type(e) is int]
    unknown = [e for e in wanted if e not in known]
    if len(unknown) + (_EOT in keys) > 1 and unknown:
        raise TokenizerError(
            f"generation_config.json: tokens {unknown} end a generation, GGUF has keys for one more"
        )
    if unknown and not 0 <= unknown[0] < len(keys["tokenizer.ggml.tokens"]):
        raise TokenizerError(f"generation_config.json: eos_token_id {unknown[0]} is not a token")
    if unknown:
        keys[_EOT] = unknown[0]
    return keys
