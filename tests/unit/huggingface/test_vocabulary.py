"""Tokenizers of checkpoints as GGUF's keys: the ids are those of the original."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from pestle.errors import TokenizerError
from pestle.huggingface import ModelConfig
from pestle.huggingface.tokenizer_files import tokenizer_keys, vocabulary_rows
from pestle.tokenizer import Tokenizer
from pestle.tokenizer.pretokenizers import PRE_TOKENIZERS
from pestle.tokenizer.vocabulary import TokenType

from tests.assets import path_of, tokenizer_json
from tests.oracle.checkpoint_folder import tokenizer as byte_level

TEXTS = (
    "Hello, world! It's 12345 o'clock.\n\n  two  spaces\t tab\r\n",
    "def f(x):\n    return x**2  # \u00e9t\u00e9\n",
    "\u4f60\u597d\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f \ud55c\uad6d\uc5b4",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "I'LL WE'VE \U0001f600\U0001f680 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 1\u00bd \u212b",
)


def write(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def keys(
    folder: Path, n_vocab: int, generation: Any = None, pre: str | None = None, **config: Any
) -> dict[str, Any]:
    values = {"model_type": "qwen3", "vocab_size": n_vocab, **config}
    return tokenizer_keys(folder, ModelConfig(values), generation or {}, n_vocab, pre=pre)


@pytest.mark.parametrize(
    ("name", "n_vocab", "pre"),
    [
        ("qwen3", 151_936, "qwen2"),
        ("gptoss", 201_088, "gpt-4o"),
        ("deepseek_v3", 129_280, "deepseek-v3"),
    ],
)
def test_published_tokenizers(name: str, n_vocab: int, pre: str, tmp_path: Path) -> None:
    text = json.dumps(tokenizer_json(name), ensure_ascii=False)
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    found = keys(tmp_path, n_vocab)
    assert found["tokenizer.ggml.pre"] == pre
    assert len(found["tokenizer.ggml.tokens"]) == n_vocab
    assert found["tokenizer.ggml.tokens"][-1] == f"[PAD{n_vocab - 1}]"
    assert found["tokenizer.ggml.token_type"][-1] == TokenType.UNUSED
    ours = Tokenizer.from_gguf(found)
    original = tokenizers.Tokenizer.from_str(text)
    books = [path.read_bytes()[:20_000] for path in sorted(path_of("text").iterdir())]
    assert len(books) == 3
    for sample in [*TEXTS, *(book.decode("utf-8", "ignore") for book in books)]:
        expected = original.encode(sample, add_special_tokens=False).ids
        assert ours.encode(sample, add_special=False, parse_special=True) == expected
        assert ours.decode(expected, skip_special=False) == original.decode(
            expected, skip_special_tokens=False
        )


@pytest.mark.parametrize("name", ["gpt-2", "starcoder", "deepseek-llm"])
def test_back_to_a_vocabulary_that_llama_cpp_wrote(name: str, tmp_path: Path) -> None:
    """tokenizer.json as the file's own tokenizer would be; the same keys come out again."""
    path = path_of(f"vocabularies/ggml-vocab-{name}.gguf")
    from pestle._core import GgufFile
    from pestle.tokenizer.pretokenizers import pre_tokenizer

    file = GgufFile(path)
    theirs = {key: file[key] for key in file.keys() if key.startswith("tokenizer.ggml")}  # noqa: SIM118
    texts, types = theirs["tokenizer.ggml.tokens"], theirs["tokenizer.ggml.token_type"]
    pre = theirs["tokenizer.ggml.pre"]
    steps = [
        {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False}
        for p in pre_tokenizer(pre).patterns
    ]
    added = [
        {"id": i, "content": t, "special": types[i] == TokenType.CONTROL}
        for i, t in enumerate(texts)
        if types[i] != TokenType.NORMAL
    ]
    definition = {
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [*steps, {"type": "ByteLevel", "use_regex": False}],
        },
        "model": {
            "type": "BPE",
            "vocab": {t: i for i, t in enumerate(texts) if types[i] == TokenType.NORMAL},
            "merges": theirs["tokenizer.ggml.merges"],
        },
    }
    found = keys(write(tmp_path, tokenizer=definition), len(texts))
    same = pre_tokenizer(pre) == pre_tokenizer(found["tokenizer.ggml.pre"])
    assert same
    for key in ("model", "tokens", "token_type", "merges"):
        assert found[f"tokenizer.ggml.{key}"] == theirs[f"tokenizer.ggml.{key}"], key


def cut_as(*patterns: str, normalizer: str | None = None) -> dict[str, Any]:
    splits = [
        {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False}
        for p in patterns
    ]
    return {
        **byte_level(300),
        "normalizer": normalizer and {"type": normalizer},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [*splits, {"type": "ByteLevel", "use_regex": False}],
        },
    }


def test_a_normalizer_that_was_lost(tmp_path: Path) -> None:
    """As transformers 5 writes a Qwen2 tokenizer that it has read from GGUF."""
    write(tmp_path, tokenizer=cut_as(*PRE_TOKENIZERS["qwen2"].patterns))
    with pytest.raises(TokenizerError) as raised:
        keys(tmp_path, 300)
    assert str(raised.value) == (
        "tokenizer.json: its way to cut text into words is not known; nearest is `qwen2`: the "
        "normalizer is none, there NFC; tokenizer_pre='qwen2' takes that "
        "one all the same"
    )
    chosen = keys(tmp_path, 300, pre="qwen2")
    write(tmp_path, tokenizer=cut_as(*PRE_TOKENIZERS["qwen2"].patterns, normalizer="NFC"))
    assert chosen == keys(tmp_path, 300)
    assert keys(tmp_path, 300, pre="smollm")["tokenizer.ggml.pre"] == "smollm"


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (
            (PRE_TOKENIZERS["qwen2"].patterns[0].replace(r"\p{N}|", r"\p{N}{1,2}|", 1),),
            r"nearest is `llama-bpe`: expression 1 is `\.\.\..*\{1,2\}.*`, there `\.\.\..*\{1,3\}",
        ),
        (
            PRE_TOKENIZERS["deepseek-v3"].patterns[:2],
            "nearest is `deepseek-v3`: it has 2 expressions, there 3; tok",
        ),
        (("(" * 100_000,), "expression 1 is `\\({24}\\.\\.\\.`, there"),
        ((), "it has 0 expressions, there"),
    ],
)
def test_what_is_near(patterns: tuple[str, ...], message: str, tmp_path: Path) -> None:
    write(tmp_path, tokenizer=cut_as(*patterns))
    with pytest.raises(TokenizerError, match=message) as raised:
        keys(tmp_path, 300)
    assert len(str(raised.value)) < 1000


def test_a_choice_for_a_tokenizer_that_has_none(tmp_path: Path) -> None:
    write(tmp_path, tokenizer={**byte_level(300), "pre_tokenizer": None})
    with pytest.raises(TokenizerError, match="no byte-level tokenizer, so `qwen2` cannot cut"):
        keys(tmp_path, 300, pre="qwen2")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match=r"holds no tokenizer\.json, for which `qwen2`"):
        keys(tmp_path, 300, pre="qwen2")


@pytest.mark.parametrize("pattern", [None, "x", 5, [], {}, {"Regex": 5}, {"String": ["x"]}])
def test_a_split_without_a_pattern(pattern: Any, tmp_path: Path) -> None:
    definition = cut_as("x")
    definition["pre_tokenizer"]["pretokenizers"][0]["pattern"] = pattern
    write(tmp_path, tokenizer=definition)
    with pytest.raises(TokenizerError, match="the pattern of a Split is"):
        keys(tmp_path, 300)


def test_special_tokens_and_bos(tmp_path: Path) -> None:
    definition = byte_level(300)
    definition["added_tokens"] += [
        {"id": 300, "content": "<s>", "special": True},
        {"id": 301, "content": "<think>", "special": False},
        {"id": 302, "content": "<|tool|>", "special": False},
    ]
    definition["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel"},
            {
                "type": "TemplateProcessing",
                "single": [
                    {"SpecialToken": {"id": "<s>", "type_id": 0}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                ],
            },
        ],
    }
    config = {"bos_token": {"content": "<s>"}, "eos_token": "<|end_of_text|>", "pad_token": None}
    found = keys(write(tmp_path, tokenizer=definition, tokenizer_config=config), 304)
    assert found["tokenizer.ggml.bos_token_id"] == 300
    assert found["tokenizer.ggml.eos_token_id"] == 299
    assert "tokenizer.ggml.padding_token_id" not in found
    assert found["tokenizer.ggml.add_bos_token"] is True
    assert found["tokenizer.ggml.add_eos_token"] is False
    assert found["tokenizer.ggml.token_type"][299:] == [3, 3, 4, 3, 5]
    write(tmp_path, tokenizer_config={**config, "add_bos_token": False})
    assert keys(tmp_path, 304)["tokenizer.ggml.add_bos_token"] is False


def test_ids_that_the_configs_state(tmp_path: Path) -> None:
    folder = write(tmp_path, tokenizer=byte_level(300))
    found = keys(folder, 300, {"eos_token_id": [299, 7]}, eos_token_id=299, bos_token_id=5)
    assert found["tokenizer.ggml.eos_token_id"] == 299
    assert found["tokenizer.ggml.bos_token_id"] == 5
    assert found["tokenizer.ggml.eot_token_id"] == 7  # generation_config alone knows it
    with pytest.raises(TokenizerError, match=r"tokens \[7, 8\] end a generation"):
        keys(folder, 300, {"eos_token_id": [299, 7, 8]}, eos_token_id=299)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"normalizer": {"type": "Lowercase"}},
            "the normalizer is Lowercase, there none; tokenizer_pre='gpt-2'",
        ),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "neither byte-level nor"),
        (
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated"},
                        {"type": "ByteLevel", "use_regex": False},
                    ],
                }
            },
            r"nearest is `.*`: expression 1 is `.*w\+`, there `.*`; tokenizer_pre",
        ),
        (
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Digits", "individual_digits": False},
                        {"type": "ByteLevel"},
                    ],
                }
            },
            "step .*Digits.* is not known",
        ),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "is not known"),
        ({"pre_tokenizer": 5}, "5 is not a step"),
        ({"model": {"type": "WordPiece"}}, "model 'WordPiece' is not known"),
        ({"model": None}, "model None is not known"),
        ({"model": {"type": "BPE", "vocab": {}}}, "model has no vocab"),
        ({"model": {"type": "BPE", "vocab": {"a": "x"}}}, "token 'a' has the id 'x'"),
        ({"model": {"type": "BPE", "vocab": {"a": 1, "b": 1}}}, "'b' and 'a' are both 1"),
        ({"model": {"type": "BPE", "vocab": {"a": 900}}}, "token 900 .* only 300 embeddings"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}, "merge 0 is 'a'"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "dropout": 0.5}}, "has the dropout"),
        ({"added_tokens": [{"id": 3}]}, "lacks id or content"),
    ],
)
def test_tokenizers_that_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path, tokenizer={**byte_level(300), **change})
    with pytest.raises(TokenizerError, match=message):
        keys(folder, 300)


def test_a_special_token_that_is_none(tmp_path: Path) -> None:
    folder = write(tmp_path, tokenizer=byte_level(300), tokenizer_config={"eos_token": "<x>"})
    with pytest.raises(TokenizerError, match="eos_token '<x>' is not a token"):
        keys(folder, 300)


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"neither tokenizer\.json nor tokenizer\.model"):
        keys(tmp_path, 10)


def test_gemma_leaves_the_rows_of_images_out() -> None:
    gemma = {"model_type": "gemma3", "image_token_index": 262_144, "text_config": {}}
    assert vocabulary_rows(ModelConfig(gemma)) == 262_144
    assert vocabulary_rows(ModelConfig({"model_type": "qwen3", "vocab_size": 7})) == 7


def _spm() -> tuple[dict[str, Any], bytes]:
    """A small SentencePiece model as both files: tokenizer.json, tokenizer.model."""
    specials = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    bytes_ = [(f"<0x{b:02X}>", 6) for b in range(256)]
    chars = [(c, 1) for c in "\u2581helowrd"]
    words = ["ll", "he", "\u2581w", "or", "llo", "hello", "\u2581wor", "\u2581hello"]
    pairs = ["l l", "h e", "\u2581 w", "o r", "ll o", "he llo", "\u2581w or", "\u2581 hello"]
    merged = [(w, 1) for w in words]
    texts = [*specials, *bytes_, *merged, *chars]
    first = len(specials) + len(bytes_)
    scores = {text: -float(i - first) for i, (text, kind) in enumerate(texts) if kind == 1}
    definition = {
        "added_tokens": [
            {
                **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
                "id": i,
                "content": text,
                "special": True,
            }
            for i, (text, _) in enumerate(specials)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            ],
        },
        "pre_tokenizer": None,
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "byte_fallback": True,
            "fuse_unk": True,
            "vocab": {text: i for i, (text, _) in enumerate(texts)},
            "merges": pairs,
        },
    }

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    pieces = b"".join(
        field(
            1,
            field(1, text.encode())
            + b"\x15"
            + struct.pack("<f", scores.get(text, 0.0))
            + (bytes([3 << 3, kind]) if kind != 1 else b""),
        )
        for text, kind in texts
    )
    return definition, pieces + field(2, bytes([3 << 3, 2]))


def test_sentencepiece_from_either_file(tmp_path: Path) -> None:
    definition, model = _spm()
    n_vocab = len(definition["model"]["vocab"])
    original = tokenizers.Tokenizer.from_str(json.dumps(definition))
    config = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    found = []
    for name in ("json", "model", "both"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, tokenizer_config=config)
        if name != "model":
            write(folder, tokenizer=definition)
        if name != "json":
            (folder / "tokenizer.model").write_bytes(model)
        found.append(keys(folder, n_vocab))
        ours = Tokenizer.from_gguf(found[-1])
        for text in ("hello world", "hellohello  w", "wor\u00e9 hello", "lllll"):
            expected = original.encode(text, add_special_tokens=False).ids
            assert ours.encode(text, add_special=False) == expected, (name, text)
    for key in ("tokens", "token_type", "model", "pre", "add_space_prefix", "bos_token_id"):
        assert len({str(keys_of[f"tokenizer.ggml.{key}"]) for keys_of in found}) == 1, key
    assert found[1]["tokenizer.ggml.scores"] == found[2]["tokenizer.ggml.scores"]


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_damaged_sentencepiece_model(cut: int, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(_spm()[1][:-cut])
    with pytest.raises(TokenizerError, match=r"tokenizer\.model"):
        keys(tmp_path, 300)


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    definition, model = _spm()
    vocab = definition["model"]["vocab"]
    vocab["other"] = vocab.pop("hello")
    definition["model"]["merges"] = []
    (tmp_path / "tokenizer.model").write_bytes(model)
    with pytest.raises(TokenizerError, match=r"is 'hello', tokenizer\.json has 'other'"):
        keys(write(tmp_path, tokenizer=definition), len(vocab))


def test_templates(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]
    folder = write(tmp_path, tokenizer=byte_level(300), tokenizer_config={"chat_template": named})
    found = keys(folder, 300)
    assert found["tokenizer.chat_template"] == "A"
    assert found["tokenizer.chat_templates"] == ["tool_use"]
    assert found["tokenizer.chat_template.tool_use"] == "B"
    (tmp_path / "chat_template.jinja").write_text("C")  # comes first
    assert keys(folder, 300)["tokenizer.chat_template"] == "C"


def test_a_token_behind_each_text_that_is_not_eos(tmp_path: Path) -> None:
    """GGUF has no name for it but EOS, so what was EOS becomes the end of a turn."""
    definition = byte_level(300)
    definition["added_tokens"].append({"id": 300, "content": "<|endoftext|>", "special": True})
    single = [
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
    ]
    definition["post_processor"] = {"type": "TemplateProcessing", "single": single}
    config = {"eos_token": "<|end_of_text|>"}
    folder = write(tmp_path, tokenizer=definition, tokenizer_config=config)
    found = keys(folder, 301, {"eos_token_id": [299, 300]})
    assert found["tokenizer.ggml.eos_token_id"] == 300
    assert found["tokenizer.ggml.eot_token_id"] == 299
    assert found["tokenizer.ggml.add_eos_token"] is True
    assert Tokenizer.from_gguf(found).encode("abc")[-1] == 300
    assert Tokenizer.from_gguf(found).eog_ids == {299, 300}
    with pytest.raises(TokenizerError, match=r"tokens \[7\] end a generation"):
        keys(folder, 301, {"eos_token_id": 7})
    write(tmp_path, tokenizer_config={**config, "add_eos_token": False})
    assert keys(tmp_path, 301)["tokenizer.ggml.eos_token_id"] == 299
