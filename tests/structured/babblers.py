"""Models with random weights in every format: they babble, so that only a mask can hold them.

A token is a byte, or one of the format's marks; a few merges make tokens that cross the borders of
JSON's own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pestle import LLM, _core
from pestle.engine.loaded import Loaded
from pestle.formats import format_of
from pestle.formats.harmony import MARKS
from pestle.options import Sampling
from pestle.template import template_of
from pestle.tokenizer import Tokenizer

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES, Case
from tests.unit.formats.dialects import DSML, HERMES, MISTRAL, PYTHON_TAG, SEPARATED, THINK
from tests.unit.text.toy import byte_level

N_VOCAB = 320
MERGES = ('{|"', '"|:', '"|,', "\n|\n", "o|n", "e|r", '":| ', "}|}", ">|\n")
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    "{% for tool in tools or () %}{{ tool | tojson }}{% endfor %}<|im_start|>assistant\n"
)
_OFF = "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
_HARMONY = (
    "{% for tool in tools or () %}{{ tool | tojson }}{% endfor %}"
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "<|start|>assistant{# <|channel|> #}"
)
_FENCED = "".join(SEPARATED.values())
# Template, marks, architecture.
FAMILIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "qwen3": ("{# <tool_call> #}" + _CHAT + _OFF, (*THINK, *HERMES), "qwen3"),
    "opened": ("{# <tool_call> #}" + _CHAT + "<think>\n", (*THINK, *HERMES), "qwen3"),
    "coder": ("{# <tool_call><function= #}" + _CHAT, (*HERMES,), "qwen3moe"),
    "deepseek v3": ("{# " + _FENCED + "```json #}" + _CHAT, (*SEPARATED.values(),), "deepseek2"),
    "deepseek r1": (
        "{# " + _FENCED + "```json #}" + _CHAT + "<think>\n",
        (*THINK, *SEPARATED.values()),
        "deepseek2",
    ),
    "deepseek v3.1": (
        "{# "
        + _FENCED
        + "<think></think> #}"
        + _CHAT
        + "{{ '<think>' if thinking else '</think>' }}",
        (*THINK, *SEPARATED.values()),
        "deepseek2",
    ),
    "deepseek v3.2": (
        "{# " + DSML + "<think></think> #}" + _CHAT + "<think>",
        (*THINK, DSML),
        "deepseek2",
    ),
    "mistral": ("{# [TOOL_CALLS] #}" + _CHAT, MISTRAL, "llama"),
    "mistral args": ("{# [TOOL_CALLS][CALL_ID][ARGS] #}" + _CHAT, MISTRAL, "llama"),
    "llama 3": ('{# ipython "parameters":  #}' + _CHAT, (PYTHON_TAG,), "llama"),
    "spelled": ("{# <think></think> #}" + _CHAT + _OFF, (), "qwen3"),
    "harmony": (_HARMONY, MARKS, "gpt-oss"),
    "plain": (_CHAT, (), "llama"),
}

Babbler = Callable[..., LLM]


def babbler(
    path: Path,
    family: str,
    threads: int = 1,
    n_ctx: int = 4096,
    weights: str = "qwen3-tied",
    **engine: Any,
) -> LLM:
    """A model of a format; its file is `path`, written if it is not there.

    `weights` names the case in `tests.oracle` whose shape it has; `engine`: options of its engine.
    """
    template, marks, architecture = FAMILIES.get(family, (None, (), "llama"))
    if not path.exists():
        case = Case("babbler", CASES[weights].config | {"vocab_size": N_VOCAB})
        gguf_file.write(path, case, checkpoints.weights(case))
    file: Any = byte_level(
        MERGES,
        control=map(str, ("<|im_start|>", "<|im_end|>", "<|endoftext|>", *marks)),
        eos="<|return|>" if family == "harmony" else "<|im_end|>",
        add_bos_token=False,
    ) | {"general.architecture": architecture}
    if template is not None:
        file["tokenizer.chat_template"] = template
    tokenizer = Tokenizer.from_gguf(file)
    model = _core.Model(path, threads=1)
    return LLM.from_loaded(
        Loaded(
            name=family,
            path=str(path),
            architecture=architecture,
            n_vocab=model.n_vocab,
            model=model,
            engine=_core.Engine(model, n_ctx=n_ctx, threads=threads, **engine),
            sampler=_core.Sampler,
            tokenizer=tokenizer,
            template=template_of(file, tokenizer),
            format=format_of(architecture, template, tokenizer),
            sampling=Sampling(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0),
            drafter=_core.Drafter,
        )
    )
