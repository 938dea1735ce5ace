"""Whatever a body says: an answer or a refusal, never an error of the server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pestle import LLM

from .serving import Client

Serve = Callable[..., Client]
Make = Callable[..., LLM]

HELLO = [{"role": "user", "content": "Hello!"}]
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Hello"},
    "/v1/embeddings": {"input": "Hello"},
    "/v1/responses": {"input": "Hello"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 4},
    "/v1/messages/count_tokens": {"messages": HELLO},
    "/tokenize": {"prompt": "Hello"},
    "/detokenize": {"tokens": [1]},
}
SOME = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from([
        "auto", "required", "none", "user", "system", "text", "json_schema", "function", "high",
        HELLO, [], {}, [1, 2, 3], [[1], [2]], "float", "base64", "\ud83d\ude00", "\x00",
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        {"type": "json_object"}, {"type": "function", "function": {"name": "f"}},
        [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        {"role": "tool", "tool_call_id": "x", "content": "y"},
    ]),
)  # fmt: skip
JSON = st.recursive(
    SOME,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("path", PATHS)
def test_bodies_of_random_fields(make_llm: Make, serve: Serve, path: str) -> None:
    client = serve(make_llm(n_ctx=120))
    described = client.get("/openapi.json").json
    schema = described["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    fields = described["components"]["schemas"][schema["schema"]["$ref"].rpartition("/")[2]]
    names = sorted(set(fields["properties"]) - {"model"})

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(names), JSON, max_size=3))
    def ask(drawn: dict[str, Any]) -> None:
        body = json.dumps({**PATHS[path], **drawn}).encode()
        answer = client.post(path, body)
        assert answer.status < 500 or answer.status == 529, (answer.status, answer.body)
        assert answer.status == 200 or "error" in answer.json
        assert b"Traceback" not in answer.body
        for _, data in answer.events if answer.body.startswith((b"data", b"event")) else ():
            assert not (isinstance(data, dict) and "an error of the server" in json.dumps(data))

    ask()
    assert client.post(path, PATHS[path]).status < 500


@pytest.mark.slow
def test_schemathesis(make_llm: Make, serve: Serve, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("needs schemathesis, which .[clients] brings")
    client = serve(make_llm(n_ctx=120))
    said = subprocess.run(
        [program, "run", f"{client.url}/openapi.json", "--checks", "not_a_server_error",
         "--max-examples", "10", "--seed", "1", "--no-color", "--suppress-health-check", "all"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-5000:] + said.stderr
