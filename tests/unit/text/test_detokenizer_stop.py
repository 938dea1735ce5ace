"""Stop strings, which may come in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.tokenizer import StopStrings


def run(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    """All text that comes out, and the match."""
    watcher = StopStrings(stops)
    shown = ""
    for piece in pieces:
        text, matched = watcher.push(piece)
        shown += text
        if matched is not None:
            return shown, matched
    return shown + watcher.flush(), None


def test_without_stop_strings_text_passes() -> None:
    assert StopStrings([]).push("abc") == ("abc", None)


def test_text_that_may_become_a_stop_string_is_held_back() -> None:
    watcher = StopStrings(["\nUser:"])
    assert watcher.push("Hi\nUs") == ("Hi", None)
    assert watcher.push("e") == ("", None)
    assert watcher.push("less\n") == ("\nUseless", None)
    assert watcher.matched is None
    assert watcher.flush() == "\n"
    assert watcher.flush() == ""


def test_the_text_before_the_stop_string_comes_out() -> None:
    watcher = StopStrings(["END"])
    assert watcher.push("one E") == ("one ", None)
    assert watcher.push("ND two") == ("", "END")
    assert watcher.matched == "END"
    assert watcher.push("three") == ("", "END")
    assert watcher.flush() == ""


def test_the_one_complete_first_wins() -> None:
    assert run(["abcd", "bc"], ["abcd"]) == ("a", "bc")
    assert run(["abcd", "bc"], list("abcd")) == ("a", "bc")


def test_the_longest_of_those_complete_together_wins() -> None:
    assert run(["c", "bc", "abc"], ["xabc"]) == ("x", "abc")


def test_a_stop_string_may_overlap_itself() -> None:
    assert run(["aab"], ["a", "a", "a", "b"]) == ("a", "aab")


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="a stop string is empty"):
        StopStrings(["a", ""])


LETTERS = st.text(st.sampled_from("ab\n"))


@given(
    st.lists(st.text(st.sampled_from("ab\n"), min_size=1, max_size=4), max_size=3),
    st.lists(LETTERS),
)
def test_how_the_text_is_cut_makes_no_difference(stops: list[str], pieces: list[str]) -> None:
    text = "".join(pieces)
    shown, matched = run(stops, pieces)
    assert (shown, matched) == run(stops, [text]) == run(stops, list(text))
    if matched is None:
        assert shown == text
        assert not any(stop in text for stop in stops)
    else:
        assert text.startswith(shown + matched)
        assert not any(stop in (shown + matched)[:-1] for stop in stops)


@given(st.lists(st.text(min_size=1, max_size=3), max_size=2), st.lists(LETTERS))
def test_only_a_beginning_of_a_stop_string_is_held_back(
    stops: list[str], pieces: list[str]
) -> None:
    watcher = StopStrings(stops)
    seen = shown = ""
    for piece in pieces:
        seen += piece
        text, matched = watcher.push(piece)
        shown += text
        if matched is not None:
            return
        held = seen.removeprefix(shown)
        assert shown + held == seen
        assert not held or any(stop.startswith(held) for stop in stops)
