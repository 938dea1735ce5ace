"""Which of GGUF's tokenizers a tokenizer.json is, told by its definition and by nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pestle.errors import TokenizerError
from pestle.huggingface.tokenizer_files.nearest import Words, escaped, nearest, words_of
from pestle.tokenizer.pretokenizers import GPT2, PRE_TOKENIZERS

SPACE: Final = "\u2581"
Json = Mapping[str, Any]


class ByteLevel(NamedTuple):
    """Byte-level BPE, as GPT-2's; `pre`: GGUF's name of how it cuts text into words."""

    pre: str


class SentencePiece(NamedTuple):
    """SentencePiece's BPE with byte tokens; whether a space goes before each text."""

    add_space_prefix: bool


def recognize(definition: Json, pre: str | None = None) -> ByteLevel | SentencePiece:
    """What `definition`, a tokenizer.json, is; TokenizerError says what of it is not known.

    pre: what cuts the text of a byte-level one into words, whatever `definition` says.
    """
    model = definition.get("model")
    kind = model.get("type", "BPE") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or kind != "BPE":
        raise TokenizerError(f"tokenizer.json: model {kind!r:.40} is not known, expected BPE")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        if model.get(key):
            raise TokenizerError(f"tokenizer.json: model has the {key} {model[key]!r:.40}")
    steps = steps_of(definition.get("pre_tokenizer"), "pretokenizers")
    if any(step.get("type") == "ByteLevel" for step in steps):
        return ByteLevel(pre or _pre_tokenizer(definition, steps, model))
    if pre is not None:
        raise TokenizerError(
            f"tokenizer.json: no byte-level tokenizer, so `{pre}` cannot cut text for it"
        )
    if model.get("byte_fallback"):
        return SentencePiece(_space_prefix(definition, steps))
    raise TokenizerError("tokenizer.json: neither byte-level nor with byte_fallback")


def steps_of(found: Any, of: str) -> list[Json]:
    """The steps of a Sequence, or the only one."""
    if found is None:
        return []
    if not isinstance(found, Mapping) or not isinstance(found.get(of) or [], list):
        raise TokenizerError(f"tokenizer.json: {found!r:.60} is not a step of a tokenizer")
    if found.get("type") != "Sequence":
        return [found]
    return [step for inner in found.get(of) or [] for step in steps_of(inner, of)]


def _pre_tokenizer(definition: Json, steps: list[Json], model: Json) -> str:
    normalizers = steps_of(definition.get("normalizer"), "normalizers")
    found = Words(tuple(_patterns(steps)), tuple(str(step.get("type")) for step in normalizers))
    same = [
        (pre.ignore_merges == bool(model.get("ignore_merges")), name)
        for name, pre in PRE_TOKENIZERS.items()
        if words_of(pre) == found
    ]
    if not same:
        raise TokenizerError(f"tokenizer.json: {nearest(found)}")
    # Names are listed with the one that files use first. ignore_merges tells Llama 3's from its
    # imitators; otherwise it only concerns tokens that no merges lead to.
    return max(same, key=lambda entry: entry[0])[1]


def _patterns(steps: list[Json]) -> list[str]:
    """The chain of regular expressions; TokenizerError for any other step."""
    patterns: list[str] = []
    for step in steps:
        kind = step.get("type")
        if kind == "ByteLevel" and not step.get("add_prefix_space"):
            patterns += [escaped(GPT2)] if step.get("use_regex", True) else []
        elif kind == "Digits" and step.get("individual_digits"):
            patterns.append(r"\p{N}")
        elif kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
            patterns.append(_split_pattern(step))
        else:
            raise TokenizerError(
                f"tokenizer.json: pre_tokenizer step {step!r:.200} is not known; "
                "tokenizer_pre='NAME' takes a known one all the same"
            )
    return patterns


def _split_pattern(step: Json) -> str:
    pattern = step.get("pattern")
    if isinstance(pattern, Mapping):
        regex, text = pattern.get("Regex"), pattern.get("String")
        if isinstance(regex, str):
            return escaped(regex)
        if isinstance(text, str):
            return escaped(re.escape(text))
    raise TokenizerError(
        f"tokenizer.json: the pattern of a Split is {pattern!r:.100}, expected a Regex or a String"
    )


def _space_prefix(definition: Json, steps: list[Json]) -> bool:
    normalizers = steps_of(definition.get("normalizer"), "normalizers")
    prefix = replaced = False
    for step in normalizers:
        if step.get("type") == "Prepend" and step.get("prepend") == SPACE and not prefix:
            prefix = True
        elif step.get("type") == "Replace" and step.get("pattern") == {"String": " "}:
            replaced = step.get("content") == SPACE
        else:
            raise TokenizerError(f"tokenizer.json: normalizer step {step!r:.100} is not known")
    for step in steps:
        if step.get("type") == "Metaspace" and step.get("replacement") == SPACE:
            scheme = step.get("prepend_scheme", "always")
            prefix = scheme != "never" and step.get("add_prefix_space", True)
            replaced = True
        # Gemma's: spaces are gone by then, so it splits nothing.
        elif not (step.get("type") == "Split" and step.get("pattern") == {"String": " "}):
            raise TokenizerError(f"tokenizer.json: pre_tokenizer step {step!r:.100} is not known")
    if not replaced:
        raise TokenizerError(f"tokenizer.json: nothing replaces spaces by {SPACE}")
    return prefix
