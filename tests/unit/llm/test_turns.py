"""The lock around the core is given in the order of asking."""

from __future__ import annotations

import threading
import time

from pestle.engine.turns import Turns


def test_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    def ask(which: int) -> None:
        with turns:
            order.append(which)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    with turns:
        for i, thread in enumerate(threads):
            thread.start()
            while len(turns._waiting) <= i:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_one_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(300):
            with turns:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with turns:  # free again
        pass
