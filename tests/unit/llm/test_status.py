"""How far a generation is, as whoever waits for it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pestle import LLM
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
