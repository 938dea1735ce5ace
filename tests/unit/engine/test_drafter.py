"""The drafter: longest matches, what follows them, and how sure it is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pestle import _core

PLACES = 16
"""How many earlier places of the last two tokens are looked at."""

untimed = settings(deadline=None)  # the machine may be busy

texts = st.one_of(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.integers(0, 12), max_size=150),
    # More distinct pairs than an index begins with.
    st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(0, 40), max_size=400),
)
pieces = st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=20)


def fresh(text: list[int]) -> _core.Drafter:
    drafter = _core.Drafter()
    drafter.extend(text)
    return drafter


def test_a_draft_has_an_end() -> None:
    """However much is asked for: what repeats itself could be drafted for ever."""
    tokens, confidence = fresh([1, 2, 3] * 20).draft(2**31 - 1)
    assert len(tokens) == len(confidence) == 1024
    assert tokens == ([1, 2, 3] * 342)[:1024]


def length_at(text: list[int], position: int) -> int:
    """How many tokens before `position` are those at the text's end; 32 at most."""
    length = 0
    while length < min(position, 32) and text[position - 1 - length] == text[-1 - length]:
        length += 1
    return length


def expected(text: list[int], most: int) -> tuple[list[int], list[float]]:
    """The draft by its definition, from a look at every place."""
    lengths = {position: length_at(text, position) for position in range(1, len(text))}
    longest = max(lengths.values(), default=0)
    if longest == 0:
        return [], []
    best = max(position for position, length in lengths.items() if length == longest)
    tokens = list(text[best:])
    while len(tokens) < most:  # what comes after the end is the same again
        tokens.append(tokens[len(tokens) - (len(text) - best)])
    sure = [1 - 1.5 / (min(longest + i, 64) + 1) for i in range(most)]
    if longest >= 2 and most > 0:
        comparable = [p for p, length in lengths.items() if length >= max(2, min(longest, 4))]
        agree = sum(text[position] == text[best] for position in comparable)
        sure[0] = (agree - 1 + 4 * sure[0]) / (len(comparable) - 1 + 4)
    return tokens[:most], sure


@untimed
@given(text=texts, most=st.integers(0, 40))
def test_the_longest_match_goes_on(text: list[int], most: int) -> None:
    pairs = Counter(pairwise(text))
    assume(max(pairs.values(), default=0) <= PLACES)
    tokens, confidences = fresh(text).draft(most)
    wanted, sure = expected(text, most)
    assert tokens == wanted
    assert confidences == pytest.approx(sure)


@untimed
@given(parts=pieces, most=st.integers(1, 40))
def test_how_the_text_came_does_not_matter(parts: list[list[int]], most: int) -> None:
    drafter = _core.Drafter()
    for part in parts:
        drafter.extend(part)
    text = [token for part in parts for token in part]
    assert drafter.n_tokens == len(text)
    assert drafter.draft(most) == fresh(text).draft(most)


@untimed
@given(parts=pieces, most=st.integers(1, 40))
def test_drafts_come_from_the_text(parts: list[list[int]], most: int) -> None:
    """Also with what the drafter remembers of its drafts before."""
    drafter, text = _core.Drafter(), list[int]()
    for part in parts:
        drafter.extend(part)
        text += part
        tokens, confidences = drafter.draft(most)
        if text[-1:] and text[-1] in text[:-1]:
            assert len(tokens) == len(confidences) == most
            assert all(0 < confidence < 1 for confidence in confidences)
            starts = [p for p in range(1, len(text)) if text[p - 1] == text[-1]]
            periods = [(text[p:] * most)[:most] for p in starts]
            assert tokens in periods
        else:
            assert (tokens, confidences) == ([], [])


def test_a_match_is_kept_while_it_is_right() -> None:
    """The place that is being copied is far behind the last 16 of the same pair."""
    source = [*range(100, 120), 1, 2, *range(120, 140)]
    text = [*source, *([1, 2, 50] * PLACES), *range(105, 120)]
    drafter = fresh(text)
    assert drafter.draft(3)[0] == [1, 2, 120]
    drafter.extend([1, 2])
    assert drafter.draft(2)[0] == [120, 121]
    assert fresh([*text, 1, 2]).draft(1)[0] == [50]


def test_a_match_that_was_wrong_is_left() -> None:
    drafter = fresh([1, 2, 3, 4, 5, 6, 7, 8, 9, 3, 4, 70, 71, 1, 2, 3, 4])
    assert drafter.draft(2)[0] == [5, 6]
    drafter.extend([70])
    assert drafter.draft(1)[0] == [71]


def test_a_copy_goes_on_after_a_change() -> None:
    """A renamed word: the short match behind it yields to the place where the copy was."""
    source = [10, 11, 12, 13, 99, 14, 15, 16, 17]
    text = [*source, *range(50, 70), 14, 80, 14, 81, *source[:4]]
    for changed in ([77], [77, 78, 79]):  # for 99
        drafter = fresh(text)
        assert drafter.draft(2)[0] == [99, 14]
        drafter.extend([*changed, 14])
        assert drafter.draft(3)[0] == [15, 16, 17]
        assert fresh([*text, *changed, 14]).draft(1)[0] == [81]


def test_agreement_counts() -> None:
    """Two tokens that were followed by 5, three times of four, are surer than by 6, once."""
    often, rarely = [1, 2, 5, 30, 1, 2, 6, 31, 1, 2, 5, 32, 1, 2, 5, 33], [1, 2]
    (token, *_), (sure, *_) = fresh(often + rarely).draft(1)
    assert (token, sure) == (5, pytest.approx((2 + 4 * 0.5) / (3 + 4)))  # type: ignore[comparison-overlap]
    swapped = [1, 2, 5, 30, 1, 2, 5, 31, 1, 2, 5, 32, 1, 2, 6, 33]
    (token, *_), (sure, *_) = fresh(swapped + rarely).draft(1)
    assert (token, sure) == (6, pytest.approx((0 + 4 * 0.5) / (3 + 4)))  # type: ignore[comparison-overlap]


def test_a_negative_number_of_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="most is -1"):
        fresh([1, 1]).draft(-1)
