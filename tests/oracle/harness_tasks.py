"""Tasks of lm-evaluation-harness that need no network: one of each kind of request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

QUESTIONS = [
    {"question": "one and one is", "choices": ["two", "three", "one"], "label": 0, "text": "abc d"},
    {"question": "the sky is", "choices": ["green", "blue"], "label": 1, "text": "e" * 70},
    {"question": "one and one is", "choices": ["2", "11"], "label": 0, "text": "x"},
    {"question": "a question of many words", "choices": ["a", "b"], "label": 0, "text": "yz\n"},
]
TASKS = {
    "tiny_choice": """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: "{{label}}"
doc_to_choice: "{{choices}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "tiny_perplexity": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: byte_perplexity}]
""",
    "tiny_generation": """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[0]}}"
generation_kwargs: {until: ["e"], max_gen_toks: 6}
metric_list: [{metric: exact_match}]
""",
}
_COMMON = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
"""


def manager(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The harness's, of these tasks. Skips the test where the harness is not installed."""
    pytest.importorskip("lm_eval", reason="lm_eval is not installed (pestle[lm-eval])")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    from lm_eval.tasks import TaskManager

    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    for name, task in TASKS.items():
        (folder / f"{name}.yaml").write_text(_COMMON.format(name=name, data=data) + task)
    return TaskManager(include_path=str(folder), include_defaults=False)
