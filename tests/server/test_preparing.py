"""Prompts are laid out beside the event loop, by few threads, whoever leaves meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from pestle import LLM
from pestle.server import create_app
from pestle.server.service import Service

Make = Callable[..., LLM]


def service_of(make: Make) -> Service:
    service: Service = create_app(make("x")).state.service
    return service


def test_those_who_leave_do_not_make_room_for_more_threads(make_llm: Make) -> None:
    begun: list[int] = []
    may_end = threading.Event()

    def lay_out(number: int) -> int:
        begun.append(number)
        assert may_end.wait(60)
        return number

    async def some_leave() -> None:
        service = service_of(make_llm)
        left = [asyncio.ensure_future(service.prepared(lay_out, number)) for number in range(5)]
        while len(begun) < 2:
            await asyncio.sleep(0.01)
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        stays = asyncio.ensure_future(service.prepared(lay_out, 5))
        await asyncio.sleep(0.2)
        assert sorted(begun) == [0, 1]  # both threads are still at it
        may_end.set()
        assert await stays == 5
        assert sorted(begun) == [0, 1, 5]  # nobody laid out what nobody wants

    asyncio.run(some_leave())


def test_what_goes_wrong_is_told_and_takes_no_turn(make_llm: Make) -> None:
    def fail() -> None:
        raise ValueError("no such thing")

    async def ask_often() -> None:
        service = service_of(make_llm)
        for _ in range(5):
            with pytest.raises(ValueError, match="no such thing"):
                await service.prepared(fail)

    asyncio.run(ask_often())
