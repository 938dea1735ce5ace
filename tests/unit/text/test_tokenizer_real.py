"""Real vocabularies: llama.cpp's test vectors, and Hugging Face's own tokenizers."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise
from pathlib import Path

import pytest
from pestle._core import GgufFile
from pestle.tokenizer import Metadata, Tokenizer
from tokenizers import Tokenizer as HfTokenizer

from tests.assets import (
    metadata_of_json,
    path_of,
    tokenizer_json,
    tokenizer_of_json,
)

MARKER = "\n__ggml_vocab_test__\n"


def vectors(name: str) -> list[tuple[str, list[int]]]:
    inputs = path_of(f"vocabularies/ggml-vocab-{name}.gguf.inp").read_bytes().decode().split(MARKER)
    outputs = path_of(f"vocabularies/ggml-vocab-{name}.gguf.out").read_text().split("\n")
    pairs = list(zip(inputs, ([int(n) for n in line.split()] for line in outputs), strict=True))
    assert len(pairs) == 47
    return pairs


@pytest.mark.parametrize("name", ["gpt-2", "starcoder", "deepseek-llm", "llama-spm"])
def test_vectors(name: str) -> None:
    path = path_of(f"vocabularies/ggml-vocab-{name}.gguf")
    tokenizer = Tokenizer.from_gguf(GgufFile(path))
    for text, ids in vectors(name):
        assert tokenizer.encode(text, add_special=False) == ids
        assert tokenizer.decode(ids) == text


def test_vectors_of_qwen2() -> None:
    tokenizer = tokenizer_of_json("qwen3", "qwen2")
    for text, ids in vectors("qwen2"):
        assert tokenizer.encode(text) == ids
        assert tokenizer.decode(ids) == text


ALPHABETS = (
    "abcdefgxyzABCXYZ  \t\n\r0123456789'.,;:!?()[]{}<>/\\|\"#$%&*+-=@^_`~",
    "\u0300\u0301\u0302\u0308\u0327e\u00e9\u00df\u0130\u0131\u01c5\u02b0",  # combining, case
    "\u0915\u0916\u0939\u093e\u093f\u094d\u0902 \u0928\u092e\u0938\u0924\u0947",  # Devanagari
    "\u0e01\u0e32\u0e23\u0e40\u0e49\u0e35\u0e48 \u05e9\u05c1\u05dc\u05d5\u05dd",  # Thai, Hebrew
    "\u4f60\u597d\u3042\u3044\u30ab\u30bf\uac00\ub098\u3002\uff01\uff10\u2026",  # CJK
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f\u20e3\U0001f1e9\U0001f1ea\u2764",  # emoji
    "\u00a0\u2003\u2028\u3000\u200b\ufeff\u00ad \n\u0660\u0966\u2160\u00bd\u00b2",  # spaces
    "'s'S't'T're'RE'll'LL'd'D\u2019s \u017f'\u017f",  # contractions
)


def random_texts(count: int) -> list[str]:
    """Words of one alphabet or characters of several, and some of all of Unicode."""
    choose = random.Random(20_251_124)
    texts = []
    for n in range(count):
        alphabet = "".join(choose.sample(ALPHABETS, 1 + n % 3))
        if n % 5 == 4:
            points = (choose.randrange(0x20, 0x2FFFF) for _ in range(12))
            alphabet += "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000)
        texts.append("".join(choose.choices(alphabet, k=choose.randrange(1, 40))))
    return texts


@pytest.mark.parametrize(
    ("name", "pre"), [("qwen3", "qwen2"), ("gptoss", "gpt-4o"), ("deepseek_v3", "deepseek-v3")]
)
def test_random_texts_are_tokenized_as_hugging_face_does(name: str, pre: str) -> None:
    tokenizer = tokenizer_of_json(name, pre)
    reference = HfTokenizer.from_str(json.dumps(tokenizer_json(name)))
    reference.no_truncation()
    texts = random_texts(3000)
    added = [token["content"] for token in tokenizer_json(name)["added_tokens"]]
    choose = random.Random(1)
    texts += [choose.choice(added).join((a, b)) for a, b in pairwise(texts)]
    expected = reference.encode_batch(texts, add_special_tokens=False)
    different = [
        text
        for text, encoding in zip(texts, expected, strict=True)
        if tokenizer.encode(text, add_special=False, parse_special=True) != encoding.ids
    ]
    assert len(texts) == 5999
    assert different == []


def test_loading_is_fast() -> None:
    """Generous, for busy machines; 0.06 s and 0.25 s were measured on a quiet one."""
    cases: list[tuple[Metadata, float]] = [
        (GgufFile(path_of("vocabularies/ggml-vocab-starcoder.gguf")), 1.0),
        (metadata_of_json("qwen3", "qwen2"), 3.0),
    ]
    for metadata, most in cases:
        begin = time.thread_time()
        Tokenizer.from_gguf(metadata)
        assert time.thread_time() - begin < most


def test_the_code_and_prose_corpora_survive() -> None:
    tokenizer = Tokenizer.from_gguf(GgufFile(path_of("vocabularies/ggml-vocab-llama-spm.gguf")))
    for name in ("tinyshakespeare.txt", "exl2_multilingual.utf8"):
        text = Path(path_of(f"text/{name}")).read_bytes().decode()
        assert tokenizer.decode(tokenizer.encode(text)) == text
