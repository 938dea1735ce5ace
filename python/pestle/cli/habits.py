"""What people type who come from other programs, and what they mean by it here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
_NO_WORD = frozenset("0123456789:")  # a family's name with one of these is no word of a sentence

# Other programs' commands that are another one's name here.
SYNONYMS = {
    "list": "ls",
    "show": "info",
    "get": "pull",
    "download": "pull",
    "remove": "rm",
    "delete": "rm",
    "start": "serve",
}
# And those that have nothing to do here: what does it instead.
ANSWERS = {
    "stop": "nothing runs in the background: Ctrl-C ends `pestle chat` and `pestle serve`, and "
    "`pestle serve --keep-alive SECONDS` unloads models that nobody asks",
    "unload": "a model is in memory while `pestle chat` or `pestle serve` runs, and `pestle serve "
    "--keep-alive SECONDS` unloads those that nobody asks",
    "load": "`pestle chat NAME` loads a model and talks to it, `pestle serve -m NAME` for programs",
    "create": "there are no model files of one's own: `pestle chat -sys TEXT --temp 0.5` says how "
    "a model behaves, and `pestle convert` makes a GGUF file of a checkpoint",
    "import": "a GGUF file is used where it lies: `pestle chat FILE`",
    "cp": "a model is named by its file: `pestle serve -m NAME=FILE` gives it another name",
    "push": "Pestle sends nothing anywhere",
    "login": "Pestle has no accounts; for models on the hub that ask for one, set HF_TOKEN",
    "signin": "Pestle has no accounts; for models on the hub that ask for one, set HF_TOKEN",
    "server": "`pestle serve` is the server; Ctrl-C ends it",
    "status": "`pestle ps` tells what a server has in memory, `pestle doctor` what the machine has",
    "log": "`pestle serve -v` logs what it does",
    "update": "`pip install --upgrade pestle` does it; `pestle pull NAME` updates a model",
    "upgrade": "`pip install --upgrade pestle` does it; `pestle pull NAME` updates a model",
}


@dataclass(frozen=True)
class NamedModel:
    """A model that stands before a prompt, and the words behind it."""

    model: str | None
    hub: str | None
    words: tuple[str, ...]


def named_model(words: Sequence[str]) -> NamedModel | None:
    """The model that the first of some words is; None where they are a prompt.

    What can only be a model's name is one, whether or not there is such a model. The name of a
    family that is a word too, `mistral`, is one where it stands alone or before one quoted text.
    """
    word, *others = words
    quoted = len(others) == 1 and len(others[0].split()) > 1
    alone = not others or quoted
    if not (_is_model(word, alone=alone) or _is_family(word, alone=alone)):
        return None
    if "/" not in word or is_file(word) or word.lower().endswith(".gguf"):
        return NamedModel(word, None, tuple(others))
    from pestle.models.catalogue import of_publisher

    published = of_publisher(word)
    if published is not None:
        return NamedModel(published.name, None, tuple(others))
    return NamedModel(None, word, tuple(others))


def _is_family(word: str, *, alone: bool) -> bool:
    return _A_FAMILY.fullmatch(word) is not None and (alone or not set(word).isdisjoint(_NO_WORD))


def _is_model(word: str, *, alone: bool) -> bool:
    if not word or any(character.isspace() for character in word):
        return False
    if word.lower().endswith(".gguf") or _LIKE_A_MODEL.fullmatch(word):
        return True
    from pestle.models import hub, installed
    from pestle.models.catalogue import lookup

    if hub.is_address(word) or word.lower() in {of.name.lower() for of in installed()}:
        return True
    return lookup(word) is not None and (alone or not word.isalpha())


def unknown_command(word: str, others: Sequence[str], commands: Sequence[str]) -> click.UsageError:
    """What to say to a first word that is no command."""
    if word in ANSWERS:
        return click.UsageError(f"There is no command {word}: {ANSWERS[word]}")
    from pestle.suggest import did_you_mean

    if named_model([word, *others]) is not None:
        return click.UsageError(f"{word} is a model: `pestle chat {word}` talks to it")
    near = did_you_mean(word, [*commands, *SYNONYMS], cutoff=0.76)
    if near or not others:
        return click.UsageError(f"There is no command {word}{near}")
    return click.UsageError(
        'There is no command that begins like this: `pestle run "..."` asks a model, and '
        "`pestle chat` talks to one"
    )
