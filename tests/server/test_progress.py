"""What a stream tells while nothing is said, and the ids of requests."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from pestle import LLM
from pestle.server import ServerOptions

from .serving import Client

PATH = "/v1/chat/completions"
LONG = [{"role": "user", "content": "x" * 100}]


def test_progress_of_a_long_prompt(
    make_llm: Callable[..., LLM], serve: Callable[..., Client]
) -> None:
    llm = make_llm("Yes.", chunk=20, before=lambda: time.sleep(0.05))
    client = serve(llm, options=ServerOptions(beat=0.02))
    answer = client.post(PATH, {"messages": LONG, "stream": True})
    told = re.findall(rb"^: reading the prompt, (\d+) of (\d+) tokens$", answer.body, re.M)
    done = [int(n) for n, _ in told]
    assert {int(total) for _, total in told} == {len(llm.chat_tokens(LONG))}
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert answer.events[-1][1] == "[DONE]"


def test_every_answer_has_the_id_of_its_request(says: Callable[..., Client]) -> None:
    client = says("x")
    hello = [{"role": "user", "content": "Hello!"}]
    bodies = ({"messages": hello}, {"messages": hello, "stream": True}, {"messages": 1})
    answers = [client.post(PATH, body) for body in bodies]
    assert [answer.status for answer in answers] == [200, 200, 400]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert all(re.fullmatch("req_[0-9a-f]{24}", each) for each in ids)
