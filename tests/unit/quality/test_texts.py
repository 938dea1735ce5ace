"""The texts, and the windows of tokens that a model reads of them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from pestle.errors import Error, FormatError
from pestle.quality import Text, TextSet, built_in, from_file
from pestle.quality.text_set import CATEGORIES
from pestle.quality.windows import fixed_now, windows_of
from pestle.template import ChatTemplate
from pestle.tokenizer import Tokenizer

from tests.oracle import checkpoint_folder

SCRIPTS = (
    "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HIRAGANA", "HANGUL",
    "THAI",
)  # fmt: skip


def _tokenizer(*, add_bos: bool = False) -> Tokenizer:
    definition = checkpoint_folder.tokenizer(400)["model"]
    tokens = [*definition["vocab"], "<bos>"]
    return Tokenizer.from_gguf(
        {
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "gpt-2",
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [1] * (len(tokens) - 1) + [3],
            "tokenizer.ggml.merges": [" ".join(pair) for pair in definition["merges"]],
            "tokenizer.ggml.bos_token_id": len(tokens) - 1,
            "tokenizer.ggml.add_bos_token": add_bos,
        }
    )


def test_built_in() -> None:
    """A change of the texts is a change of every figure: it asks for another VERSION, and this."""
    texts = built_in()
    assert (texts.name, texts.digest[:16]) == ("pestle-1", "57ffa5dfb3882d10")
    assert tuple(dict.fromkeys(text.category for text in texts.texts)) == CATEGORIES
    names = [(text.category, text.name) for text in texts.texts]
    assert len(set(names)) == len(names)
    scripts = "".join(text.content for text in texts.texts if text.category == "scripts")
    assert set(SCRIPTS) <= {unicodedata.name(c, "").split(" ")[0] for c in scripts} | {"LATIN"}
    assert any(m.get("tool_calls") for text in texts.texts for m in text.messages)
    assert any(m.get("reasoning_content") for text in texts.texts for m in text.messages)
    assert all(text.content.strip() or text.messages for text in texts.texts)


def test_windows() -> None:
    texts = TextSet("own", "", (Text("a", "one", "x y " * 50), Text("b", "two", "z")))
    windows = windows_of(texts, _tokenizer(), None, 64).windows
    assert {w.category for w in windows} == {"a"}  # one token foresees nothing
    assert [len(w.tokens) for w in windows[:-1]] == [64] * (len(windows) - 1)
    joined = [int(token) for w in windows for token in w.tokens]
    assert joined == _tokenizer().encode("x y " * 50)[: len(joined)]


def test_bos_stands_before_every_window() -> None:
    tokenizer = _tokenizer(add_bos=True)
    texts = TextSet("own", "", (Text("a", "one", "x y " * 50),))
    windows = windows_of(texts, tokenizer, None, 16).windows
    assert all(w.tokens[0] == tokenizer.bos_id for w in windows)
    without = [int(token) for w in windows for token in w.tokens[1:]]
    assert without == tokenizer.encode("x y " * 50, add_special=False)[: len(without)]
    assert max(len(w.tokens) for w in windows) == 16


def test_chats_without_a_template_are_left_out() -> None:
    windows = windows_of(built_in(), _tokenizer(), None, 512)
    n_chats = sum(bool(text.messages) for text in built_in().texts)
    assert len(windows.left_out) == n_chats
    assert windows.left_out[0] == "chat/bread: the model has no chat template"
    assert {w.category for w in windows.windows} == {"code", "prose", "languages", "scripts"}


def test_the_template_lays_chats_out() -> None:
    tokenizer = _tokenizer()
    template = ChatTemplate(
        "{{ strftime_now('%Y') }}"
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
        tokenizer,
        now=fixed_now,
    )
    windows = windows_of(built_in(), tokenizer, template, 512)
    assert tokenizer.decode(windows.windows[0].tokens.tolist()).startswith("2026system: You are")
    assert all(name.startswith("tools/") for name in windows.left_out)  # it has no way to say them


def test_own_text(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("Ägypten\n", encoding="utf-8")
    texts = from_file(path)
    assert (texts.name, texts.texts[0].content) == ("own.txt", "Ägypten\n")
    path.write_bytes(b"ab\xff")
    with pytest.raises(FormatError, match=r"is no UTF-8 text: .* at byte 2"):
        from_file(path)
    path.write_bytes(b" \n")
    with pytest.raises(FormatError, match="holds no text"):
        from_file(path)
    with pytest.raises(Error, match=r"cannot read .*: No such file"):
        from_file(tmp_path / "none.txt")


def test_nothing_left() -> None:
    with pytest.raises(FormatError, match="no text is left that has two tokens"):
        windows_of(TextSet("own", "", (Text("a", "one", "x"),)), _tokenizer(), None, 64)
