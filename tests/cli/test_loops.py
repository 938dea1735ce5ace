"""What is taken for a loop, and what is not."""

from __future__ import annotations

import random

import pytest
from pestle.cli.loops import LoopGuard


def when(tokens: list[int], text: str = "") -> int | None:
    """After how many tokens it is seen."""
    guard = LoopGuard()
    for n, token in enumerate(tokens, 1):
        if guard.add((token,), ""):
            return n
    guard.add((), text)
    return len(tokens) if guard.tripped else None


@pytest.mark.parametrize("length", [1, 2, 7, 31, 32, 33, 90, 128])
def test_a_passage_again_and_again(length: int) -> None:
    draw = random.Random(length)
    before = [draw.randrange(5000) for _ in range(300)]
    passage = [5000 + n for n in range(length)]
    seen = when(before + passage * 400)
    assert seen is not None
    repeated = seen - len(before) - length
    assert repeated == max(5 * length, 160)
    # One time less is a refrain, or a column of zeros.
    assert when(before + passage + passage * 4) is None or length * 4 >= 160


def test_what_is_no_loop() -> None:
    draw = random.Random(3)
    assert when([draw.randrange(50) for _ in range(20_000)]) is None  # few words, no order
    assert when([n % 129 for n in range(5000)]) is None  # too long a passage
    broken = [token for n in range(20) for token in [1, 2, 3, 4] * 30 + [10 + n]]
    assert when(broken) is None  # by something new each time
    assert when(list(range(3000))) is None


@pytest.mark.parametrize(
    ("line", "loops"),
    [
        ("{0}. The use of the word is common here.\n", True),
        ("{0}. The use of the word is common here.\n\n", True),
        ("| {0} | {1} | 3.5 | -7 | 8 | 9 |\n", False),
        ("{0} times {1} is {2}\n", False),
        ("    return value\n", False),
        ("The number {0} has {1} letters, unlike what you read {2}.\n", True),
    ],
)
def test_lines_that_say_the_same(line: str, loops: bool) -> None:
    text = "".join(line.format(n, n + 1, n * 2) for n in range(30))
    assert (when([], text) is not None) == loops
    assert when([], "".join(line.format(n, n, n) for n in range(11))) is None


def test_lines_that_differ() -> None:
    text = "".join(f"{n}. A list of words that all are {'ab'[n % 2]} here.\n" for n in range(60))
    assert when([], text) is None


def test_pieces_do_not_matter() -> None:
    text = "".join(f"{n}. The use of the word is common here.\n" for n in range(30))
    guard = LoopGuard()
    seen = next(n for n, char in enumerate(text) if guard.add((), char))
    assert text[:seen].count("common") == 12
