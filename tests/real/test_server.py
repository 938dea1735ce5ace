"""The default model on a real port: what a server says is what the library says."""

from __future__ import annotations

from typing import Any

import pytest
from pestle import LLM
from pestle.server import create_app

from tests.server.serving import serving

pytestmark = pytest.mark.real

ASKED = [{"role": "user", "content": "Tell me of a river."}]
CHOSEN: dict[str, Any] = {"seed": 7, "temperature": 0.9, "top_p": 0.9}


@pytest.mark.parametrize(
    ("path", "messages", "limit"),
    [
        ("/v1/chat/completions", "messages", "max_tokens"),
        ("/v1/responses", "input", "max_output_tokens"),
    ],
)
def test_a_seed_gives_the_same_text(smollm: LLM, path: str, messages: str, limit: str) -> None:
    alone = smollm.chat(ASKED, max_tokens=24, **CHOSEN)
    with serving(create_app(smollm)) as client:
        asked = {messages: ASKED, limit: 24, **CHOSEN}
        answer = client.post(path, asked).json
        stream = [data for _, data in client.post(path, {**asked, "stream": True}).events]
    if path == "/v1/responses":
        assert answer["output"][0]["content"][0]["text"] == alone.text
        deltas = [each["delta"] for each in stream if each["type"].endswith("output_text.delta")]
        assert answer["usage"]["output_tokens"] == alone.usage.completion_tokens
    else:
        assert answer["choices"][0]["message"]["content"] == alone.text
        deltas = [each["choices"][0]["delta"].get("content", "") for each in stream[:-1]]
        assert answer["usage"]["completion_tokens"] == alone.usage.completion_tokens
    assert "".join(deltas) == alone.text
