"""Prompts token for token as Hugging Face's transformers makes them, over generated conversations.

transformers renders the published template and `tokenizers` encodes the text, each by itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pestle.template import ChatTemplate
from tokenizers import Tokenizer as HubTokenizer

from tests.assets import path_of, tokenizer_json, tokenizer_of_json
from tests.unit.text.conversations import TOOLS, conversation
from tests.unit.text.templates import SMOLLM2

Messages = list[dict[str, Any]]
N = 300


def as_they_are(messages: Messages) -> Messages:
    """Arguments as objects: what authors of templates in transformers expect."""
    return messages


def as_text_without_content(messages: Messages) -> Messages:
    """As DeepSeek V3's and R1's templates want calls."""
    for message in messages:
        if "tool_calls" in message:
            message["content"] = None
            for call in message["tool_calls"]:
                arguments = call["function"]["arguments"]
                call["function"]["arguments"] = json.dumps(arguments, ensure_ascii=False)
    return messages


# A template, a vocabulary, whether it writes calls, whether it tells of tools, its switches.
CASES = [
    ("Qwen-Qwen3-0.6B", "qwen3", "qwen2", True, True, ("enable_thinking",), as_they_are),
    ("Qwen-Qwen2.5-7B-Instruct", "qwen3", "qwen2", True, True, (), as_they_are),
    ("Qwen3-Coder", "qwen3", "qwen2", True, True, (), as_they_are),
    ("HuggingFaceTB-SmolLM3-3B", "qwen3", "qwen2", False, False, ("enable_thinking",), as_they_are),
    ("Qwen-QwQ-32B", "qwen3", "qwen2", True, True, ("enable_thinking",), as_they_are),
    ("SmolLM2", "qwen3", "qwen2", False, False, (), as_they_are),
    ("lenml-deepseek_v3", "deepseek_v3", "deepseek-v3", True, False, (), as_text_without_content),
    ("llama-cpp-deepseek-r1", "deepseek_v3", "deepseek-v3", True, False, (), as_they_are),
    ("deepseek-ai-DeepSeek-V3.1", "deepseek_v3", "deepseek-v3", True, False,
     ("thinking", "enable_thinking"), as_they_are),
    ("deepseek-ai-DeepSeek-V3.2", "deepseek_v3", "deepseek-v3", True, True,
     ("thinking", "enable_thinking"), as_they_are),
    ("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek_v3", "deepseek-v3", True, False, (),
     as_text_without_content),
    ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek_v3", "deepseek-v3", True, False,
     ("enable_thinking",), as_they_are),
]  # fmt: skip
BOS = "<\uff5cbegin\u2581of\u2581sentence\uff5c>"


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "vocabulary", "pre", "calls", "announces", "switches", "oracle_form"), CASES
)
def test_prompts_are_those_of_transformers(
    name: str,
    vocabulary: str,
    pre: str,
    calls: bool,
    announces: bool,
    switches: tuple[str, ...],
    oracle_form: Callable[[Messages], Messages],
) -> None:
    utils = pytest.importorskip(
        "transformers.utils.chat_template_utils",
        reason="needs transformers: pip install '.[oracle]'",
    )
    source = SMOLLM2 if name == "SmolLM2" else path_of(f"templates/{name}.jinja").read_text("utf-8")
    tokenizer = tokenizer_of_json(vocabulary, pre)
    hub = HubTokenizer.from_str(json.dumps(tokenizer_json(vocabulary)))
    template = ChatTemplate(source, _WithBos(tokenizer) if "deepseek" in vocabulary else tokenizer)  # type: ignore[arg-type]
    random = Random(name)
    with_tools = 0
    for n in range(N):
        messages = conversation(random, tools=calls)
        tools = TOOLS if announces and random.random() < 0.6 else None
        variables = {switch: random.choice((True, False)) for switch in switches}
        if random.random() < 0.3:
            variables = {}
        ours = copy.deepcopy(messages)
        if random.random() < 0.5:  # as the API has them
            for message in ours:
                for call in message.get("tool_calls", ()):
                    arguments = call["function"]["arguments"]
                    call["function"]["arguments"] = json.dumps(arguments, ensure_ascii=False)
        (expected,), _ = utils.render_jinja_template(
            [oracle_form(copy.deepcopy(messages))],
            tools=tools,
            chat_template=source,
            add_generation_prompt=True,
            bos_token=BOS if "deepseek" in vocabulary else None,
            **variables,
        )
        ids = template.encode(ours, tools=tools, **variables)
        assert ids == hub.encode(expected, add_special_tokens=False).ids, (n, expected)
        with_tools += tools is not None or any("tool_calls" in m for m in messages)
    assert with_tools > N // 4 or not calls


class _WithBos:
    """A tokenizer with a BOS, which a tokenizer.json does not name."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.bos_id = tokenizer.token_id(BOS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)
