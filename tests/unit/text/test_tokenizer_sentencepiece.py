"""Tokens beside those of SentencePiece itself, for a vocabulary as Gemma's."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pestle.huggingface.tokenizer_files.sentencepiece import read_sentencepiece
from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import SPACE, USER_DEFINED

ROOT = Path(__file__).resolve().parents[3]
TAGS = ("<s>", "</s>", "<table>", "</table>", "<b>", "</b>")
RUNS = (*(SPACE * n for n in range(2, 32)), "\n\n", "\n\n\n", "\t\t")
ALPHABETS = (
    "abcdefgxyzABC  \t\n\r0129'.,;:!?()[]{}<>/\\|\"#$%&*",
    f"{SPACE}{SPACE} ab",
    "\u0300\u0301e\u00e9\u00df\u0130",
    "\u4f60\u597d\u3042\u30ab\uac00",
    "\U0001f468\u200d\U0001f469\ufe0f\u2764",
    "\u00a0\u2003\u2028\u3000\u200b\ufeff\u00ad",
    "".join(map(chr, range(1, 32))),
    "<s></s><table></table><b> \n",
)
WORDS = (*TAGS, *RUNS[:3], " " * 4, f"{SPACE} ", "\n\n", " the ", " return", "<eos>", "<0x0A>")


def corpus() -> list[str]:
    lines = [line for path in sorted((ROOT / "docs").glob("*.md")) for line in path.open()]
    return [*lines, "<s>no</s> <b>x</b> <table></table>", "\u4f60\u597d \u3053\u3093 \u043c\u0438"]


def texts(count: int) -> Iterator[str]:
    choose = random.Random(13)
    lines = corpus()
    for n in range(count):
        length = choose.randrange(1, 40)
        if n % 4 == 0:
            yield "".join(choose.choice(choose.choice(ALPHABETS)) for _ in range(length))
        elif n % 4 == 1:
            yield "".join(choose.choice([*WORDS, choose.choice(lines)]) for _ in range(length // 3))
        elif n % 4 == 2:
            yield "".join(choose.choice(f"{SPACE} ") for _ in range(length)) + choose.choice(WORDS)
        else:
            alphabet = choose.choice(ALPHABETS)
            yield "".join(choose.choice(alphabet) for _ in range(length)) + choose.choice(WORDS)


@pytest.mark.live
@pytest.mark.parametrize("spaces", [SPACE, " "])
def test_tokens_are_those_of_sentencepiece(spaces: str, tmp_path: Path) -> None:
    """`spaces`: how the file spells runs of spaces that are tokens of their own."""
    sentencepiece: Any = pytest.importorskip("sentencepiece")
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_writer=trained,
        model_type="bpe",
        vocab_size=2000,
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        user_defined_symbols=[*TAGS, *RUNS],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        minloglevel=2,
    )
    theirs = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    (tmp_path / "tokenizer.model").write_bytes(trained.getvalue())
    pieces = read_sentencepiece(tmp_path / "tokenizer.model").pieces
    ours = Tokenizer.from_gguf(
        {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": [
                p.text.replace(SPACE, spaces) if p.type == USER_DEFINED else p.text for p in pieces
            ],
            "tokenizer.ggml.scores": [p.score for p in pieces],
            "tokenizer.ggml.token_type": [p.type for p in pieces],
            "tokenizer.ggml.add_space_prefix": False,
            "tokenizer.ggml.eos_token_id": 1,
            "tokenizer.ggml.bos_token_id": 2,
            "tokenizer.ggml.unknown_token_id": 3,
        }
    )
    assert {ours.token_text(token) for token in ours.eog_ids} == {"<eos>"}
    for text in texts(1500):
        ids = theirs.encode(text)
        assert ours.encode(text, add_special=False) == ids, text
        assert ours.decode(ids) == theirs.decode(ids), text
