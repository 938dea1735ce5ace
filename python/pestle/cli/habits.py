"""What people type who come from other programs, and what they mean by it here."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from pestle.cli.piped import is_file

# `qwen3-0.6b`, `llama3.2:1b`, `Qwen/Qwen2.5-0.5B-Instruct-GGUF`: a name and a number of parameters.
_LIKE_A_MODEL = re.compile(
    r"(?i)(?:hf\.co/|https?://huggingface\.co/)?[a-z][\w.-]*[-:/](?:[\w.:/-]*[-:_])?"
    r"\d+(?:\.\d+)?[bm](?:[-_:][\w.:-]*)?"
)
# `gemma3`, `llama3.2`, `deepseek-r1`, `qwen2.5`, `mistral`: a family as other programs name it.
_A_FAMILY = re.compile(
    r"(?i)(?:gemma|qwen|qwq|llama|mistral|mixtral|phi|deepseek|gpt-oss|smollm|tinyllama|codellama)"
    r"[\d.]*(?:[-:][\w.]+)*"
)


def require_no_model(words: Sequence[str]) -> None:
    """Raise UsageError if the first word of a prompt is a model: it would be asked for nothing.

    A family's name alone is one too; at the beginning of a sentence it is a word.
    """
    word = words[0]
    if not (_is_model(word) or (len(words) == 1 and _A_FAMILY.fullmatch(word))):
        return
    name = re.sub(r"^(?:https?://)?(?:hf|huggingface)\.co/", "", word)
    flag = "-hf" if "/" in name and not is_file(name) else "-m"
    raise click.UsageError(
        f"{word} is a model, not a prompt: {flag} {name} uses it, and -p says it to the default one"
    )


def _is_model(word: str) -> bool:
    if not word or any(character.isspace() for character in word):
        return False
    if word.lower().endswith(".gguf") or _LIKE_A_MODEL.fullmatch(word):
        return True
    from pestle.models import installed
    from pestle.models.catalogue import lookup

    return lookup(word) is not None or word.lower() in {of.name.lower() for of in installed()}
