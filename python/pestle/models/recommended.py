"""How to sample from models that people know: what their makers publish, and where.

Only what is published is said; the rest is Pestle's default. A file that states values of its own
(`general.sampling.*`) needs nothing of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Recommended:
    """Values for a model.

    values  options by their names, as `options.Sampling` has them
    source  the page that publishes them
    greedy  None; or why the likeliest token is taken here although the page samples: `values` then
            hold a temperature of 0
    """

    values: Mapping[str, float]
    source: str
    greedy: str | None = None


def _card(repo: str, **values: float) -> Recommended:
    """What a model's card, or the generation_config.json beside it, says."""
    return Recommended(values, f"https://huggingface.co/{repo}")


SMOLLM2: Final = _card("HuggingFaceTB/SmolLM2-1.7B-Instruct", temperature=0.2, top_p=0.9)
SMOLLM2_135M: Final = Recommended(
    {"temperature": 0.0, "top_p": 0.9},
    "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
    greedy="of 20 seeds each, at the card's temperature of 0.2 it named the capital of France 13 "
    "times and the author of Hamlet 16 times; greedily it is right",
)
LLAMA3: Final = _card("meta-llama/Llama-3.1-8B-Instruct", temperature=0.6, top_p=0.9)
MISTRAL_NEMO: Final = _card("mistralai/Mistral-Nemo-Instruct-2407", temperature=0.3)
MISTRAL_SMALL: Final = _card("mistralai/Mistral-Small-3.2-24B-Instruct-2506", temperature=0.15)
# Qwen2.5 punishes repetition, the smallest more than the others.
QWEN2_5: Final = _card(
    "Qwen/Qwen2.5-7B-Instruct", temperature=0.7, top_k=20, top_p=0.8, repeat_penalty=1.05
)
QWEN2_5_SMALL: Final = _card(
    "Qwen/Qwen2.5-0.5B-Instruct", temperature=0.7, top_k=20, top_p=0.8, repeat_penalty=1.1
)
QWQ: Final = _card("Qwen/QwQ-32B", temperature=0.6, top_k=40, top_p=0.95, min_p=0.0)
# Qwen3 warns of greedy decoding: it may repeat itself without end.
QWEN3: Final = _card("Qwen/Qwen3-8B", temperature=0.6, top_k=20, top_p=0.95, min_p=0.0)
QWEN3_INSTRUCT: Final = _card(
    "Qwen/Qwen3-4B-Instruct-2507", temperature=0.7, top_k=20, top_p=0.8, min_p=0.0
)
QWEN3_THINKING: Final = _card(
    "Qwen/Qwen3-4B-Thinking-2507", temperature=0.6, top_k=20, top_p=0.95, min_p=0.0
)
QWEN3_CODER: Final = _card(
    "Qwen/Qwen3-Coder-30B-A3B-Instruct",
    temperature=0.7,
    top_k=20,
    top_p=0.8,
    repeat_penalty=1.05,
)
# "temperature=1.0 and top_p=1.0": nothing is cut off.
GPT_OSS: Final = Recommended(
    {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0},
    "https://github.com/openai/gpt-oss#recommended-sampling-parameters",
)
GEMMA3: Final = _card("google/gemma-3-4b-it", temperature=1.0, top_k=64, top_p=0.95, min_p=0.0)
DEEPSEEK_R1: Final = _card("deepseek-ai/DeepSeek-R1", temperature=0.6, top_p=0.95)
DEEPSEEK_V2: Final = _card(
    "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct", temperature=0.3, top_p=0.95
)
DEEPSEEK_V3_1: Final = _card("deepseek-ai/DeepSeek-V3.1", temperature=0.6, top_p=0.95)
