"""Vocabularies of other kinds, and how long they are kept."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from pestle.constraints import Constraint, grammar_of, text_plan
from pestle.constraints.grammar_vocabulary import vocabulary_of
from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import SPACE, byte_level, spm

from .babblers import babbler

PIECES = {
    piece: -float(n)
    for n, piece in enumerate(
        [f"{SPACE}name", "name", f"{SPACE}a", "a", "n", "m", "e", '"', "{", "}", ":", "1", SPACE]
    )
}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}


def _constraint(tokenizer: Tokenizer, n_vocab: int) -> Constraint:
    grammar = grammar_of({"json_schema": SCHEMA})
    assert grammar is not None
    return text_plan(grammar, tokenizer, n_vocab).constraint()


def test_sentencepiece_puts_no_space_into_the_middle() -> None:
    tokenizer = Tokenizer.from_gguf(spm(PIECES))
    n_vocab = tokenizer.n_vocab + 5  # padded
    held = _constraint(tokenizer, n_vocab)
    text = '{"name": 1}'
    for token in tokenizer.encode_within(text):
        held.push(token)
    (mask,) = held.masks([])
    allowed = {n for n in range(n_vocab) if mask[n // 32] >> n % 32 & 1}
    assert allowed == tokenizer.eog_ids
    begun = _constraint(tokenizer, n_vocab)
    sure = begun.sure(20)
    assert b"".join(map(tokenizer.token_bytes, sure)).startswith(b"{")
    assert begun.admitted(sure) == len(sure)


def test_the_unused_and_the_special_are_no_text() -> None:
    file = byte_level(control=["<|im_end|>", "a1"], unused=["a2"], user_defined=["a3"])
    tokenizer = Tokenizer.from_gguf(file)
    grammar = grammar_of({"regex": "a[0-9]"})
    assert grammar is not None
    held = text_plan(grammar, tokenizer, 300).constraint()
    (mask,) = held.masks([])
    allowed = {n for n in range(300) if mask[n // 32] >> n % 32 & 1}
    assert allowed == {ord("a"), tokenizer.token_id("a3")}


def test_a_vocabulary_goes_with_its_model(tmp_path: Path) -> None:
    llm = babbler(tmp_path / "tiny.gguf", "plain")
    assert llm.generate("x", json_schema={"type": "boolean"}, seed=1).text in ("true", "false")
    vocabulary = vocabulary_of(llm.tokenizer, llm.n_vocab)
    assert vocabulary_of(llm.tokenizer, llm.n_vocab) is vocabulary
    gone = weakref.ref(llm.tokenizer), weakref.ref(vocabulary)
    llm.close()
    del llm, vocabulary
    gc.collect()
    assert [each() for each in gone] == [None, None]
