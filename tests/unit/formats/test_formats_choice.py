"""Which format a model has, by its template and its control tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle.formats import format_of
from pestle.formats.harmony import MARKS
from pestle.tokenizer import Tokenizer

from tests.assets import path_of
from tests.unit.formats.dialects import HERMES, SEPARATED, THINK
from tests.unit.text.toy import byte_level

QWEN_VOCABULARY = (*THINK, *HERMES)
DEEPSEEK_VOCABULARY = (*THINK, *SEPARATED.values())
OPENED = "\n</think>\n\n"
CASES = [
    ("openai-gpt-oss-120b", MARKS, "harmony", "json", True,
     "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("Qwen-Qwen3-0.6B", QWEN_VOCABULARY, "tagged", "json", True, OPENED),
    ("Qwen3-Coder", QWEN_VOCABULARY, "tagged", "xml", True, OPENED),
    ("Qwen-QwQ-32B", QWEN_VOCABULARY, "tagged", "json", True, OPENED),
    ("Qwen-Qwen2.5-7B-Instruct", HERMES, "tagged", "json", False, ""),
    ("HuggingFaceTB-SmolLM3-3B", THINK, "tagged", None, True, OPENED),
    ("lenml-deepseek_v3", DEEPSEEK_VOCABULARY[2:], "tagged", "separated", False, ""),
    ("llama-cpp-deepseek-r1", DEEPSEEK_VOCABULARY, "tagged", "separated", True, OPENED),
    ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", DEEPSEEK_VOCABULARY, "tagged", "separated", True,
     OPENED),
    ("deepseek-ai-DeepSeek-V3.1", DEEPSEEK_VOCABULARY, "tagged", "separated", True, "</think>"),
    ("deepseek-ai-DeepSeek-V3.2", THINK, "tagged", "dsml", True, "</think>"),
    ("lenml-gemma3", (), "plain", None, False, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "marks", "kind", "calls", "thinks", "lead_out"), CASES)
def test_published_templates(
    name: str, marks: tuple[str, ...], kind: str, calls: str | None, thinks: bool, lead_out: str
) -> None:
    source = path_of(f"templates/{name}.jinja").read_text(encoding="utf-8")
    tokenizer = Tokenizer.from_gguf(byte_level(control=map(str, marks)))
    found = format_of("llama", source, tokenizer)
    assert (found.name, found.calls, found.thinks) == (kind, calls, thinks)
    assert tokenizer.decode(found.lead_out, skip_special=False) == lead_out


def test_every_published_template_is_among_the_cases() -> None:
    known = {Path(name).name for name, *_ in CASES}
    alike = {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B"}
    assert {path.stem for path in path_of("templates").glob("*.jinja")} == known | alike


@pytest.mark.parametrize(
    ("template", "calls", "writes"),
    [
        ("[TOOL_CALLS][{{ calls }}]", "mistral", set()),
        ("[TOOL_CALLS]{{ name }}[ARGS]{{ arguments }}", "mistral", {"[ARGS]"}),
        ("[TOOL_CALLS]x[CALL_ID]y[ARGS]z", "mistral", {"[ARGS]", "[CALL_ID]"}),
        ('Environment: ipython {"name": "f", "parameters": {}}', "llama", set()),
    ],
)
def test_calls_without_an_end(template: str, calls: str, writes: set[str]) -> None:
    """Whatever tags the vocabulary has: the template shows what an answer looks like."""
    tokenizer = Tokenizer.from_gguf(byte_level(control=map(str, THINK)))
    found = format_of("llama", template, tokenizer)
    assert (found.name, found.calls, found.thinks) == ("trailing", calls, False)
    assert found.writes == writes


def test_without_a_template() -> None:
    def kind(architecture: str, marks: tuple[str, ...]) -> str:
        tokenizer = Tokenizer.from_gguf(byte_level(control=map(str, marks)))
        return format_of(architecture, None, tokenizer).name

    assert kind("gpt-oss", MARKS) == "harmony"
    assert kind("llama", MARKS) == "plain"
    assert kind("gpt-oss", MARKS[1:]) == "plain"
    assert kind("llama", THINK) == "tagged"
