"""The loop that steps: what shares a pass, in which order, and what becomes of what fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pestle.engine.loaded import Sampled
from pestle.engine.scheduler import Scheduler
from pestle.engine.work import Rows, Taken
from pestle.errors import Error, InterruptionError, MemoryLimitError


@dataclass
class Engine:
    """Notes the batches; `fails` has what raises, by the name of the sequence."""

    chunk: int = 8
    batches: list[list[tuple[str, int]]] = field(default_factory=list)
    fails: dict[str, BaseException] = field(default_factory=dict)
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)
    kv_limit = kv_used = kept_bytes = 0

    def step(self, batch: list[tuple[Any, list[int], str]]) -> int:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.interrupted.is_set():
            self.interrupted.clear()
            raise InterruptionError("given up")
        for sequence, _, _ in batch:
            if sequence in self.fails:
                raise self.fails[sequence]
        self.batches.append([(sequence, len(tokens)) for sequence, tokens, _ in batch])
        return 0

    def interrupt(self) -> None:
        self.interrupted.set()

    def choose(self, choices: Sequence[Any]) -> Sequence[Any]:
        return []


@dataclass
class Reader:
    """Reads so many tokens and gives the sizes of its pieces; then `answers` passes of a row."""

    name: str
    n: int = 0
    answers: int = 0
    spares: int = 0
    closed: int = 0
    asked: int = 0
    waiting: bool = False
    aside: int = 0

    @property
    def n_tokens(self) -> int:
        return self.n

    @property
    def remaining(self) -> int:
        return self.n

    @property
    def kv(self) -> Any:
        return self.name

    def set_aside(self) -> None:
        self.aside += 1

    def leave(self) -> None:
        pass

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        raise AssertionError("it never waits")

    @property
    def reading(self) -> bool:
        return self.n > 0

    def begin(self) -> None:
        pass

    def rows(self, most: int, *, alone: bool) -> Rows:
        assert most >= 1
        self.asked = min(most, self.n) if self.reading else 1
        return Rows(self.name, [0] * self.asked, "none")  # type: ignore[arg-type]

    def spare(self) -> bool:
        self.spares -= 1
        return self.spares >= 0

    def choice(self, row: int) -> None:
        return None

    def take(self, row: int, chosen: Sequence[Sampled], seconds: float) -> Taken[int]:
        if self.reading:
            self.n -= self.asked
        else:
            self.answers -= 1
        return Taken([self.asked], not self.reading and self.answers <= 0)

    def close(self) -> None:
        self.closed += 1


def held(engine: Engine) -> Callable[[], None]:
    """Have the engine's first pass wait; returns what lets it go on."""
    engine.gate = threading.Event()
    return engine.gate.set


def drained(ticket: Any) -> list[int]:
    return list(iter(ticket.next, None))


def together(engine: Engine, *works: Reader) -> list[list[int]]:
    """What each gives; all are there before the second pass."""
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    first = scheduler.add(Reader("first", answers=1))
    assert engine.entered.wait(10)
    tickets = [scheduler.add(work, eager=True) for work in works]
    go_on()
    results = [drained(ticket) for ticket in tickets]
    assert drained(first) == [1]
    del engine.batches[0]
    return results


def test_answers_share_a_pass() -> None:
    engine = Engine()
    assert together(engine, *(Reader(name, answers=3) for name in "abc")) == [[1] * 3] * 3
    assert engine.batches == [[("a", 1), ("b", 1), ("c", 1)]] * 3


def test_more_answers_than_rows_take_turns() -> None:
    engine = Engine(chunk=2)
    together(engine, *(Reader(name, answers=2) for name in "abc"))
    assert [[name for name, _ in batch] for batch in engine.batches] == [
        ["a", "b"], ["c", "a"], ["b", "c"]
    ]  # fmt: skip


def test_prompts_are_read_beside_answers_and_short_ones_first() -> None:
    engine = Engine(chunk=8)
    together(engine, Reader("answer", answers=5), Reader("long", 24), Reader("short", 7))
    assert engine.batches[:3] == [
        [("answer", 1), ("short", 7)], [("answer", 1), ("long", 7)], [("answer", 1), ("long", 7)]
    ]  # fmt: skip


def test_what_fails_is_found_and_the_others_go_on() -> None:
    engine = Engine(fails={"b": Error("broken")})
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    first = scheduler.add(Reader("first", answers=1))
    assert engine.entered.wait(10)
    works = {name: Reader(name, answers=2) for name in "abc"}
    tickets = {name: scheduler.add(work, eager=True) for name, work in works.items()}
    go_on()
    assert drained(first) == [1]
    assert drained(tickets["a"]) == drained(tickets["c"]) == [1, 1]
    with pytest.raises(Error, match="broken"):
        tickets["b"].next()
    assert {name: work.closed for name, work in works.items()} == {"a": 1, "b": 1, "c": 1}


def test_what_ends_in_a_pass_is_not_set_aside_in_it() -> None:
    engine = Engine(fails={"wrong": Error("x"), "large": MemoryLimitError("no room")})
    works = [Reader("ends", answers=1), Reader("wrong", answers=2), Reader("large", answers=2)]
    with pytest.raises(Error, match="x"):
        together(engine, *works)
    assert engine.batches[-1] == [("ends", 1)]
    assert [work.aside for work in works] == [0, 0, 0]
    assert [work.closed for work in works][:2] == [1, 1]


@pytest.mark.parametrize("spares", [0, 1])
def test_less_memory_is_tried_where_there_is_something_to_spare(spares: int) -> None:
    engine = Engine(fails={"a": MemoryLimitError("no memory")})
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    work = Reader("a", answers=1, spares=spares)
    if spares:

        def spare() -> bool:
            engine.fails.clear()
            return True

        work.spare = spare  # type: ignore[method-assign]
        assert drained(scheduler.add(work)) == [1]
    else:
        with pytest.raises(MemoryLimitError):
            scheduler.add(work).next()


def test_nobody_who_does_not_take_holds_up_others() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    slow = scheduler.add(Reader("slow", answers=100))
    assert drained(scheduler.add(Reader("quick", answers=50), eager=True)) == [1] * 50
    ahead = sum(("slow", 1) in batch for batch in engine.batches)
    assert ahead <= 2
    assert len(drained(slow)) == 100


def test_work_goes_on_as_far_ahead_as_it_may() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    ticket = scheduler.add(Reader("a", answers=20), ahead=7)
    while len(engine.batches) < 8:
        time.sleep(0.001)
    scheduler.call(lambda: None)  # there is no further pass
    assert len(engine.batches) == 8
    assert drained(ticket) == [1] * 20


def test_cancelled_work_leaves_after_its_pass() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    work = Reader("a", answers=100)
    ticket = scheduler.add(work, eager=True)
    assert engine.entered.wait(10)
    ticket.cancel()
    assert not ticket.settled
    go_on()
    ticket.settle()
    assert drained(ticket) == [1]
    assert scheduler.call(lambda: len(engine.batches)) == 1
    assert work.closed == 1


def test_calls_come_between_passes() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    ticket = scheduler.add(Reader("a", answers=2), eager=True)
    assert engine.entered.wait(10)
    results: list[int] = []
    caller = threading.Thread(
        target=lambda: results.append(scheduler.call(lambda: len(engine.batches)))
    )
    caller.start()
    go_on()
    caller.join(10)
    assert results[0] >= 1
    assert drained(ticket) == [1, 1]
    with pytest.raises(ZeroDivisionError):
        scheduler.call(lambda: 1 // 0)


def test_closed() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    work = Reader("a", answers=100)
    ticket = scheduler.add(work, eager=True)
    assert engine.entered.wait(10)
    closer = threading.Thread(target=scheduler.close, args=(lambda: Error("over"),))
    closer.start()
    go_on()
    closer.join(10)
    seen: list[BaseException] = []
    for use in (ticket.next, lambda: scheduler.add(Reader("b")), lambda: scheduler.call(print)):
        with pytest.raises(Error, match="over") as raised:
            use()
        seen.append(raised.value)
    assert len({id(error) for error in seen}) == 3  # each with a traceback of its own
    assert work.closed == 1


def test_the_thread_ends_and_begins_anew() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    for _ in range(3):
        assert drained(scheduler.add(Reader("a", answers=1))) == [1]
        thread = scheduler._thread
        if thread is not None:
            thread.join(10)
        assert scheduler._thread is None


def test_what_fails_where_nothing_should_ends_the_work_and_not_the_thread() -> None:
    engine = Engine(fails={"a": MemoryLimitError("no memory")})
    scheduler = Scheduler(engine)  # type: ignore[arg-type]

    class Failing(Reader):
        def spare(self) -> bool:
            raise Error("the masks failed")

        def close(self) -> None:
            raise Error("nobody is left to tell")

    with pytest.raises(Error, match="the masks failed"):
        scheduler.add(Failing("a", answers=1)).next()

    class Broken(Reader):
        @property
        def reading(self) -> bool:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scheduler.add(Broken("b")).next()
    told = threading.Event()
    ticket = scheduler.add(Reader("c", answers=2))
    ticket.watch(lambda: 1 // 0)  # type: ignore[arg-type]
    ticket.watch(told.set)
    assert drained(ticket) == [1, 1]
    assert told.wait(10)


def test_a_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(Engine())  # type: ignore[arg-type]

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            scheduler.add(Reader("a", answers=1))
        with pytest.raises(RuntimeError, match="can't start"):
            scheduler.call(lambda: 1)
    assert drained(scheduler.add(Reader("b", answers=1))) == [1]
    scheduler.close(lambda: Error("over"))


def test_cancelled_and_closed_in_one_pass() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    scheduler.add(Reader("first", answers=9))
    assert engine.entered.wait(10)
    cancel, told = threading.Event(), threading.Event()
    queued = scheduler.add(Reader("queued", answers=9), cancel=cancel)
    queued.watch(told.set)
    cancel.set()
    closer = threading.Thread(target=scheduler.close, args=(lambda: Error("over"),))
    closer.start()
    while scheduler._closed is None:
        pass
    go_on()
    closer.join(10)
    assert told.wait(10)


def test_closing_that_is_interrupted_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    go_on = held(engine)
    ticket = scheduler.add(Reader("a", answers=9), eager=True)
    assert engine.entered.wait(10)
    thread = scheduler._thread
    assert thread is not None

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scheduler.close(lambda: Error("over"))
    assert thread.is_alive()  # and the interpreter would wait for it
    go_on()
    with pytest.raises(Error, match="over"):
        ticket.next()


def test_what_hurries_keeps_its_results_when_it_is_cancelled() -> None:
    engine = Engine()
    scheduler = Scheduler(engine)  # type: ignore[arg-type]
    cancel = threading.Event()
    ticket = scheduler.add(Reader("a", answers=1000), cancel=cancel, eager=True)
    found: list[int] = []
    taker = threading.Thread(target=lambda: found.extend(drained(ticket)))
    taker.start()
    while len(engine.batches) < 5:
        pass
    ticket.cancel()
    taker.join(10)
    assert not taker.is_alive()
    assert len(found) == len(engine.batches)


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_pass_that_nobody_wants_is_given_up(gives_up: bool) -> None:
    """But not where it is for others too; who is not cancelled is in the next one."""
    engine = Engine()
    scheduler = Scheduler(engine, gives_up=gives_up)  # type: ignore[arg-type]
    go_on = held(engine)
    first = scheduler.add(Reader("first", answers=1))
    assert engine.entered.wait(10)
    tickets = [scheduler.add(Reader(name, answers=3)) for name in "ab"]
    engine.entered.clear()
    first.cancel()
    assert engine.interrupted.is_set() == gives_up
    second = engine.gate = threading.Event()
    go_on()
    assert engine.entered.wait(10)  # a pass for both
    tickets[0].cancel()
    assert not engine.interrupted.is_set()
    tickets[1].cancel()
    assert engine.interrupted.is_set() == gives_up
    second.set()
    for ticket in tickets:
        assert ticket.next() is None
        ticket.settle()
    assert drained(scheduler.add(Reader("c", answers=2))) == [1, 1]


def test_a_pass_that_is_given_up_by_mistake_is_made_again() -> None:
    engine = Engine()
    scheduler = Scheduler(engine, gives_up=True)  # type: ignore[arg-type]
    engine.interrupt()
    assert drained(scheduler.add(Reader("a", 20, answers=2))) == [8, 8, 4, 1, 1]
