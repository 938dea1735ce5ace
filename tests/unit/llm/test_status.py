"""How far a generation is, as whoever waits for it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.constraints import Constraint
from pestle.engine.activity import RunStatus

MakeLlm = Callable[..., LLM]
QUESTION = [{"role": "user", "content": "x" * 40}]


def run_of(llm: LLM, client: str = "", **options: Any) -> Any:
    return llm.chat_run(llm.chat_request(QUESTION, None, None, options), client=client)  # type: ignore[arg-type]


def test_from_waiting_to_the_end(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(chunk=16)
    n = len(llm.chat_tokens(QUESTION))
    run, later = run_of(llm, "a", max_tokens=3), run_of(llm, "b", max_tokens=1)
    assert run.status() == RunStatus("waiting", 0, 0, n)
    seen: list[tuple[RunStatus, RunStatus]] = []

    def look() -> None:
        if not seen:
            later.begin()  # while the first is in a pass
        seen.append((run.status(), later.status()))

    llm.engine.before = look
    while run.next() is not None:
        pass
    llm.engine.before = lambda: None
    assert seen[0] == (RunStatus("reading", 0, 0, n), RunStatus("waiting", 0, 0, n))
    assert [mine.read_tokens for mine, _ in seen[:2]] == [0, 16]
    assert any(mine.phase == "answering" and mine.read_tokens == n for mine, _ in seen)
    assert run.status() == RunStatus("ended", 0, n, n)
    while later.next() is not None:
        pass
    assert later.status().phase == "ended"


def test_places_in_the_queue(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(chunk=16)
    runs = [run_of(llm, max_tokens=1) for _ in range(4)]
    places: list[int] = []

    def look() -> None:
        if not places:
            for run in runs[1:]:
                run.begin()
            places.extend(run.status().place for run in runs[1:])

    llm.engine.before = look
    while runs[0].next() is not None:
        pass
    assert places == [0, 1, 2]
    runs[2].abandon()
    assert runs[2].status().phase == "ended"


def test_activity(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(chunk=16)
    before = llm.activity()
    assert (before.running, before.waiting, before.passes, before.stuck_s) == (0, 0, 0, 0.0)
    seen: list[Any] = []

    def look() -> None:
        time.sleep(0.01)
        seen.append(llm.activity())

    llm.engine.before = look
    done = llm.chat(QUESTION, max_tokens=3, seed=1)
    llm.engine.before = lambda: None
    assert all(each.running == 1 and each.stuck_s > 0 for each in seen)
    deadline = time.monotonic() + 10
    while llm.activity().stuck_s and time.monotonic() < deadline:
        time.sleep(0.01)
    after = llm.activity()
    assert (after.running, after.waiting, after.stuck_s) == (0, 0, 0.0)
    assert after.prompt_tokens == after.prefix_queries == done.usage.prompt_tokens
    assert after.generated_tokens == done.usage.completion_tokens
    assert after.passes == len(llm.engine.passes)
    again = llm.chat(QUESTION, max_tokens=1)
    hits = llm.activity().prefix_hits
    assert hits == again.usage.cached_tokens > 0


def test_a_slow_mask_does_not_hold_up_others(
    make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that waits for it sits out, and is the same."""
    llm: Any = make_llm()
    options: dict[str, Any] = {"regex": "[a-z]{12}", "seed": 4}
    expected = llm.generate("masked", **options)
    plain = llm.generate("plain", max_tokens=40, seed=2)
    go_on, masks = threading.Event(), Constraint.masks
    asked = 0

    def slow(self: Constraint, draft: Any) -> Any:
        nonlocal asked
        asked += 1
        assert asked != 3 or go_on.wait(30)
        return masks(self, draft)

    monkeypatch.setattr(Constraint, "masks", slow)
    stream = llm.generate("plain", max_tokens=40, seed=2, stream=True)
    tokens = list(next(stream).token_ids)
    found: list[Any] = []
    held = threading.Thread(target=lambda: found.append(llm.generate("masked", **options)))
    held.start()
    while asked < 3:
        time.sleep(0.001)
    for chunk in stream:
        tokens += chunk.token_ids
    assert tuple(tokens) == plain.token_ids
    assert found == []  # nobody waited for it
    go_on.set()
    held.join(30)
    assert found[0].token_ids == expected.token_ids
    assert found[0].text == expected.text
