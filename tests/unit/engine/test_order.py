"""Who is served next, and who is set aside."""

from __future__ import annotations

import random

import pytest
from pestle.engine.order import Place, Shares, in_order, to_set_aside


def order(*places: Place, shares: Shares | None = None, now: float = 0.0) -> list[int]:
    return [places[i].number for i in in_order(places, shares or Shares(), now)]


def place(number: int, remaining: int = 1, since: float = 0.0, client: str = "") -> Place:
    return Place(client, remaining, since, number)


def test_short_prompts_come_first_then_by_arrival() -> None:
    assert order(place(1, 20_000), place(2, 30), place(3, 500), place(4, 30)) == [2, 4, 3, 1]


def test_who_has_waited_long_comes_before_shorter_ones() -> None:
    old, older = place(1, 20_000, since=5.0), place(2, 9000, since=3.0)
    assert order(old, older, place(3, 30, since=9.0), now=10.0) == [2, 1, 3]
    assert order(old, older, place(3, 30, since=6.9), now=7.0) == [3, 2, 1]


def test_the_client_that_has_had_least_comes_first() -> None:
    shares = Shares()
    shares.join(["a", "b"])
    shares.charge("a", read=100)
    shares.charge("b", written=49)
    mine, other = place(1, 5, client="a"), place(2, 20_000, client="b")
    assert order(mine, other, shares=shares) == [2, 1]
    shares.charge("b", written=2)
    assert order(mine, other, shares=shares) == [1, 2]


def test_what_was_set_aside_comes_before_all() -> None:
    shares = Shares()
    shares.charge("a", read=1000)
    aside = [place(n, 9000, client="a")._replace(set_aside=True) for n in (7, 3)]
    assert order(place(1, 1, client="b"), *aside, shares=shares) == [3, 7, 1]


def test_nobody_saves_up_and_nobody_gains_by_coming_again() -> None:
    shares = Shares()
    shares.join(["a", "b"])
    shares.charge("a", read=500)
    shares.charge("b", read=300)
    shares.join(["a", "b", "late"])
    assert shares.of("late") == 300
    shares.join(["b", "late"])
    shares.join(["a", "b", "late"])
    assert shares.of("a") == 500
    shares.join([])
    assert shares.of("a") == 0  # all were idle: it does not matter any more


def test_clients_get_as_much_however_much_they_ask_for() -> None:
    """One sends 50 long prompts, one short ones, one comes later."""
    draw = random.Random(0)
    shares, had = Shares(), {"greedy": 0, "short": 0, "late": 0}
    for turn in range(3000):
        clients = ["greedy", "short"] + ["late"] * (turn >= 1500)
        shares.join(clients)
        waiting = [place(n, 20_000, turn, "greedy") for n in range(50)]
        waiting += [
            place(50 + n, draw.randrange(1, 64), turn, c) for n, c in enumerate(clients[1:])
        ]
        first = waiting[in_order(waiting, shares, turn)[0]]
        piece = min(first.remaining, 128)
        shares.charge(first.client, read=piece)
        had[first.client] += piece
    assert had["short"] == pytest.approx(had["greedy"], rel=0.05)
    assert had["late"] < had["short"] / 1.9


def test_the_youngest_is_set_aside_but_first_whom_nobody_waits_for() -> None:
    places = [place(4), place(9), place(2)]
    assert to_set_aside(places, spared=2) == 1
    assert to_set_aside(places[:1] + places[2:], spared=4) == 1
    assert to_set_aside(places[:1], spared=4) is None
    assert to_set_aside([], spared=4) is None
    stalled = [place(4)._replace(stalled=True), place(9), place(2)._replace(stalled=True)]
    assert to_set_aside(stalled, spared=2) == 0
