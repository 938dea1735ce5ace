"""Characters of a prompt that the vocabulary cannot express: refused, or replaced and told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ArgumentError, UnknownCharacterError

MakeLlm = Callable[..., LLM]
LACKS = b"\x06\x13\xf0"
CHAT = [{"role": "user", "content": "a\x06b\x13c\x06"}]
NOTE = (
    "3 characters of the prompt are not in the vocabulary and read as U+FFFD: "
    "U+0006 (2 times), U+0013"
)


def replacing(make_llm: MakeLlm, answer: str | None = "ok", lacks: bytes = LACKS) -> Any:
    return make_llm(answer, lacks=lacks, unknown_characters="replace")


def test_they_are_refused_with_what_to_do(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("x", lacks=LACKS)
    for call in (llm.generate, llm.score, llm.logits, llm.tokenize):
        with pytest.raises(UnknownCharacterError) as raised:
            call("a\x06b")
        assert str(raised.value) == (
            "the model's vocabulary cannot express the character U+0006; "
            "unknown_characters='replace' reads another in its place"
        )
    for call in (llm.chat, llm.chat_tokens, llm.session().chat):
        with pytest.raises(UnknownCharacterError, match=r"U\+0006; unknown_characters='replace'"):
            call(CHAT)
    with pytest.raises(UnknownCharacterError, match="lone surrogate U\\+D800"):
        llm.generate("a\ud800")


def test_a_chat_reads_another_and_tells(make_llm: MakeLlm) -> None:
    llm = replacing(make_llm)
    answer = llm.chat(CHAT, temperature=0)
    assert (answer.text, answer.warnings) == ("ok", (NOTE,))
    expected = llm.chat_tokens([{"role": "user", "content": "a\ufffdb\ufffdc\ufffd"}])
    assert llm.chat_tokens(CHAT) == expected
    with llm.chat(CHAT, temperature=0, stream=True) as stream:
        assert [chunk.warnings for chunk in stream] == [(NOTE,), (), ()]
    assert CHAT[0]["content"] == "a\x06b\x13c\x06"


def test_a_chat_that_says_nothing_tells_too(make_llm: MakeLlm) -> None:
    with replacing(make_llm).chat(CHAT, max_tokens=0, stream=True) as stream:
        assert [chunk.warnings for chunk in stream] == [(NOTE,)]


def test_tools_and_variables_are_read_so_too(make_llm: MakeLlm) -> None:
    template = "{{ tools | tojson }}{{ extra }}{% for m in messages %}{{ m.content }}{% endfor %}"
    llm = make_llm("x", lacks=LACKS, unknown_characters="replace", template=template)
    tools = [{"name": "f", "description": "a\U0001f600"}]
    tokens = llm.chat_tokens(CHAT, tools, {"extra": "\x06"})
    same = [{"name": "f", "description": "a\ufffd"}]
    plain = [{"role": "user", "content": "a\ufffdb\ufffdc\ufffd"}]
    assert tokens == llm.chat_tokens(plain, same, {"extra": "\ufffd"})


def test_a_text_is_read_so_too(make_llm: MakeLlm) -> None:
    llm = replacing(make_llm, None)
    done = llm.generate("a\U0001f600b\ud800", max_tokens=4, seed=1)
    assert done.warnings == (
        "2 characters of the prompt are not in the vocabulary and read as U+FFFD: U+D800, U+1F600",
    )
    same = llm.generate("a\ufffdb\ufffd", max_tokens=4, seed=1)
    assert (same.token_ids, same.warnings) == (done.token_ids, ())
    with pytest.warns(UserWarning, match=r"^1 character of the prompt is not in the vocabulary"):
        assert llm.tokenize("a\x06") == llm.tokenize("a\ufffd")
    with pytest.warns(UserWarning, match=r"read as U\+FFFD: U\+0006$"):
        assert (llm.logits("a\x06") == llm.logits("a\ufffd")).all()


@pytest.mark.parametrize(
    ("lacks", "stands_in", "read"),
    [
        (b"\x06", "\ufffd", "read as U+FFFD"),
        (b"\x06\xef", "?", "read as U+003F"),
        (b"\x06\xef?", " ", "read as U+0020"),
        (b"\x06\xef? ", "", "left out"),
    ],
)
def test_what_stands_in(make_llm: MakeLlm, lacks: bytes, stands_in: str, read: str) -> None:
    llm = replacing(make_llm, lacks=lacks)
    assert llm.tokenizer.stand_in == stands_in
    assert llm.tokenizer.can_express("a")
    assert not llm.tokenizer.can_express("\x06")
    done = llm.generate("ab\x06", max_tokens=0)
    assert done.usage.prompt_tokens == 2 + len(stands_in.encode())
    assert done.warnings == (
        f"1 character of the prompt is not in the vocabulary and {read}: U+0006",
    )


def test_many_of_them_are_not_all_listed(make_llm: MakeLlm) -> None:
    llm = replacing(make_llm, lacks=bytes(range(20)))
    (note,) = llm.generate("".join(map(chr, range(20))), max_tokens=0).warnings
    assert note.endswith("U+0006, U+0007 and 12 others")


def test_the_option_is_checked_before_the_model_is_looked_for() -> None:
    with pytest.raises(ArgumentError, match="unknown_characters is 'drop', expected error or rep"):
        LLM("there/is/no/such.gguf", offline=True, unknown_characters="drop")
