"""Results as JSON, and as one short line."""

from __future__ import annotations

import json
from collections.abc import Callable

from pestle import LLM, CallDelta, Chunk, ScoredToken, TokenLogprob, ToolCall
from pestle.results import ChatCompletion, Completion, Reuse, Timings, Usage

MakeLlm = Callable[..., LLM]
HELLO = [{"role": "user", "content": "Hello"}]
USAGE = Usage(3, 1, 2, 0)
TIMINGS = Timings(0.5, 2, 0.25, 1, 0.5, 1, 0, 0)


def test_a_completion_as_json(make_llm: MakeLlm) -> None:
    done = make_llm("h\u00e9").generate("\x02", temperature=0, seed=3, logprobs=1)
    data = json.loads(json.dumps(done.to_dict()))
    assert data.keys() == {
        *("text", "token_ids", "finish_reason", "stop_reason", "seed", "reuse", "usage", "timings"),
        *("logprobs", "warnings"),
    }
    assert (data["text"], data["token_ids"]) == ("h\u00e9", list("h\u00e9".encode()))
    assert (data["finish_reason"], data["stop_reason"], data["seed"]) == ("stop", 257, 3)
    assert data["usage"]["total_tokens"] == done.usage.total_tokens
    assert data["timings"]["decode_tokens_per_s"] == done.timings.decode_tokens_per_s
    assert data["reuse"] == {"reused": 0, "shared": 0}
    assert data["warnings"] == []
    first, second = data["logprobs"][0], data["logprobs"][1]
    assert (first["token"], first["text"], first["bytes"]) == (104, "h", [104])
    assert first["logprob"] == done.logprobs[0].logprob  # type: ignore[index]
    assert [other["token"] for other in first["top"]] == [104]
    assert (second["text"], second["bytes"]) == ("\ufffd", [0xC3])


def test_a_chat_as_json(make_llm: MakeLlm) -> None:
    data = make_llm("hi").chat(HELLO, temperature=0).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert (data["text"], data["reasoning"], data["tool_calls"]) == ("hi", "", [])
    assert data["logprobs"] is None
    answer = ChatCompletion(
        *("x", (1,), "stop", 2, USAGE, TIMINGS, 7),
        tool_calls=(ToolCall("f", "{}", id="call00003"),),
        warnings=("odd",),
    )
    assert answer.to_dict()["tool_calls"] == [
        {"name": "f", "arguments": "{}", "builtin": False, "id": "call00003"}
    ]
    assert answer.to_dict()["warnings"] == ["odd"]


def test_chunks_and_scores_as_json(make_llm: MakeLlm) -> None:
    llm = make_llm("hi")
    with llm.chat(HELLO, temperature=0, logprobs=0, stream=True) as stream:
        chunks = [json.loads(json.dumps(chunk.to_dict())) for chunk in stream]
    assert "".join(chunk["text"] for chunk in chunks) == "hi"
    assert [len(chunk["logprobs"]) for chunk in chunks] == [1, 1, 0]
    assert chunks[0]["usage"] is None
    assert chunks[-1]["usage"]["completion_tokens"] == 2
    assert chunks[-1]["timings"]["decode_passes"] == 2
    assert all(chunk["call_deltas"] == [] for chunk in chunks)
    assert Chunk("", call_deltas=(CallDelta(0, "call00000", "f", "{"),)).to_dict()[
        "call_deltas"
    ] == [{"index": 0, "id": "call00000", "name": "f", "arguments": "{"}]
    assert ScoredToken(1, b"a", -1.0, True).to_dict() == {
        "token": 1, "text": "a", "bytes": [97], "logprob": -1.0, "top": [], "is_greedy": True,
    }  # fmt: skip


def test_a_repr_is_one_short_line() -> None:
    done = Completion("a" * 500, (1,) * 90, "stop", 2, USAGE, TIMINGS, 7, reuse=Reuse(1, 2, (3,)))
    assert repr(done) == f"Completion('{'a' * 60}\u2026', 90 tokens, finish_reason='stop')"
    answer = ChatCompletion(
        *("Yes.", (1, 2), "length", None, USAGE, TIMINGS, 7), reasoning="Hm.\n", warnings=("odd",)
    )
    assert repr(answer) == (
        "ChatCompletion('Yes.', 2 tokens, reasoning='Hm.\\n', warnings=('odd',), "
        "finish_reason='length')"
    )
    assert repr(Chunk("x", (4,))) == "Chunk('x', 1 tokens)"


def test_tokens_have_texts_beside_bytes() -> None:
    whole, part = TokenLogprob(1, "é".encode(), -1.0), ScoredToken(2, b"\xc3", -1.0, True)
    assert (whole.text, part.text) == ("é", "\N{REPLACEMENT CHARACTER}")


def test_what_is_in_use_has_a_short_repr(make_llm: MakeLlm) -> None:
    llm = make_llm("hi")
    assert repr(llm) == "LLM('fake', architecture='fake', n_ctx=256)"
    session, chat = llm.session(), llm.conversation("Be brief.")
    stream = session.chat(HELLO, temperature=0, stream=True)
    assert repr(stream) == "Stream(waiting)"
    assert repr(llm.agenerate("x", stream=True)) == "AsyncStream(waiting)"
    stream.result()
    assert repr(stream) == "Stream(ended)"
    assert repr(session) == f"Session({session.n_tokens} of 256 tokens)"
    assert repr(chat) == "Conversation(1 messages, Session(0 of 256 tokens))"
    llm.close()
    assert repr(llm) == "LLM(closed)"
    assert repr(chat) == "Conversation(1 messages, Session(closed))"


def test_a_completion_has_warnings(make_llm: MakeLlm) -> None:
    assert make_llm("hi").generate("\x02", temperature=0).warnings == ()
