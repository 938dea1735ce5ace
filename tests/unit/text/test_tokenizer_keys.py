"""What a file may say of its vocabulary, and every way in which that can be wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pestle.errors import TokenizerError, UnsupportedError
from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import byte_level, spm

N = 256


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", None, r"tokenizer\.ggml\.model is missing; known: gpt2, llama"),
        ("model", "bert", r"tokenizer\.ggml\.model names the unknown tokenizer `bert`"),
        ("model", 7, r"tokenizer\.ggml\.model is 7, expected a string"),
        ("pre", None, r"tokenizer\.ggml\.pre is missing"),
        ("pre", "zulu", r"tokenizer\.ggml\.pre names the unknown pre-tokenizer 'zulu'"),
        ("pre", 1, r"tokenizer\.ggml\.pre is 1, expected a string"),
        ("tokens", None, r"tokenizer\.ggml\.tokens is missing or empty"),
        ("tokens", [], r"tokenizer\.ggml\.tokens is missing or empty"),
        ("tokens", "abc", r"tokenizer\.ggml\.tokens is 'abc', expected an array"),
        ("tokens", ["a", 1], r"tokenizer\.ggml\.tokens holds something that is not a string"),
        ("token_type", [1] * 9, rf"token_type has 9 elements, expected {N}, as .*tokens has"),
        ("token_type", [0] * N, r"token_type holds 0, expected 1 to 6"),
        ("token_type", [7] * N, r"token_type holds 7, expected 1 to 6"),
        ("token_type", [1.0] * N, r"token_type holds something that is not an integer"),
        ("merges", None, r"tokenizer\.ggml\.merges is missing"),
        ("merges", [1], r"tokenizer\.ggml\.merges holds something that is not a string"),
        ("bos_token_id", N, rf"bos_token_id is {N}, expected a token of the {N}"),
        ("eos_token_id", -1, rf"eos_token_id is -1, expected a token of the {N}"),
        ("eot_token_id", "x", r"eot_token_id is 'x', expected an integer"),
        ("fim_pad_token_id", True, r"fim_pad_token_id is True, expected an integer"),
        ("add_bos_token", 1, r"add_bos_token is 1, expected a boolean"),
        ("suppress_tokens", [N], rf"suppress_tokens holds a token outside the {N}"),
    ],
)
def test_what_is_wrong_is_named(key: str, value: Any, message: str) -> None:
    metadata = byte_level() | {f"tokenizer.ggml.{key}": value}
    if value is None:
        del metadata[f"tokenizer.ggml.{key}"]
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_gguf(metadata)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (None, r"tokenizer\.ggml\.scores is missing"),
        ([0.0], r"tokenizer\.ggml\.scores has 1 elements, expected 260"),
        ([float("nan")] * 260, r"tokenizer\.ggml\.scores holds NaN"),
        ([1] * 260, r"tokenizer\.ggml\.scores holds something that is not a number"),
    ],
)
def test_scores(scores: Any, message: str) -> None:
    metadata = spm({"a": 0.0}) | {"tokenizer.ggml.scores": scores}
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_gguf(metadata)


def test_the_file_is_named() -> None:
    class File(dict[str, Any]):
        path = "models/x.gguf"

    with pytest.raises(TokenizerError, match=r"^models/x\.gguf: tokenizer\.ggml\.model"):
        Tokenizer.from_gguf(File())


def test_commands_treat_it_like_a_file_that_is_not_supported() -> None:
    assert issubclass(TokenizerError, UnsupportedError)


def test_without_types_all_tokens_are_ordinary() -> None:
    metadata = byte_level()
    del metadata["tokenizer.ggml.token_type"]
    tokenizer = Tokenizer.from_gguf(metadata)
    assert tokenizer.encode("a") == [ord("a")]
    assert not tokenizer.suppressed_ids


def test_of_two_tokens_with_one_text_the_first_is_used() -> None:
    metadata = byte_level()
    metadata["tokenizer.ggml.tokens"].append("a")
    metadata["tokenizer.ggml.token_type"].append(1)
    tokenizer = Tokenizer.from_gguf(metadata)
    assert tokenizer.encode("a") == [ord("a")]
    assert tokenizer.decode([ord("a"), 256]) == "aa"


def ends(metadata: dict[str, Any]) -> set[str]:
    tokenizer = Tokenizer.from_gguf(metadata)
    return {tokenizer.token_text(token) for token in tokenizer.eog_ids}


def test_end_of_generation_by_key() -> None:
    metadata = byte_level(control=("<a>", "<b>", "<c>", "<d>"), eos="<a>")
    metadata["tokenizer.ggml.eot_token_id"] = N + 1
    metadata["tokenizer.ggml.eom_token_id"] = N + 2
    assert ends(metadata) == {"<a>", "<b>", "<c>"}
    assert Tokenizer.from_gguf(metadata).eot_id == N + 1


def test_end_of_generation_by_text() -> None:
    metadata = byte_level(
        control=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_pad|>"), eos="<|im_end|>"
    )
    assert ends(metadata) == {"<|endoftext|>", "<|im_end|>", "<|fim_pad|>"}
    assert Tokenizer.from_gguf(metadata).eot_id == N + 2


def test_harmony_ends_messages_with_what_ends_turns_elsewhere() -> None:
    names = ("<|start|>", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>")
    assert ends(byte_level(control=names)) == {"<|return|>", "<|call|>", "<|endoftext|>"}
    assert Tokenizer.from_gguf(byte_level(control=names)).eot_id == N + names.index("<|return|>")
    assert ends(byte_level(control=names[:3])) == {"<|end|>", "<|return|>"}


def test_words_that_look_like_an_end_are_words() -> None:
    metadata = byte_level(control=("<|endoftext|>",))
    for text in ("</s>", "<EOT>"):
        metadata["tokenizer.ggml.tokens"].append(text)
        metadata["tokenizer.ggml.token_type"].append(1)
    assert ends(metadata) == {"<|endoftext|>"}


def test_a_tag_of_html_ends_nothing_unless_the_file_says_so() -> None:
    metadata = byte_level(control=("<eos>",), user_defined=("<s>", "</s>"), eos="<eos>")
    tokenizer = Tokenizer.from_gguf(metadata)
    assert ends(metadata) == {"<eos>"}
    struck_out = tokenizer.encode("<s>no</s>yes")
    assert struck_out[0] == tokenizer.token_id("<s>")
    assert struck_out[3] == tokenizer.token_id("</s>")
    assert tokenizer.decode(struck_out) == "<s>no</s>yes"
    metadata["tokenizer.ggml.eos_token_id"] = tokenizer.token_id("</s>")
    assert ends(metadata) == {"<eos>", "</s>"}
    assert Tokenizer.from_gguf(metadata).is_control(struck_out[3])


def test_an_end_that_is_marked_as_text_is_a_control_token_all_the_same() -> None:
    metadata = byte_level(user_defined=("<end_of_turn>",))
    metadata["tokenizer.ggml.tokens"].append("<|im_end|>")
    metadata["tokenizer.ggml.token_type"].append(1)
    tokenizer = Tokenizer.from_gguf(metadata)
    assert ends(metadata) == {"<end_of_turn>", "<|im_end|>"}
    assert all(map(tokenizer.is_control, tokenizer.eog_ids))
    assert tokenizer.eog_ids.isdisjoint(tokenizer.encode("<|im_end|><end_of_turn>"))
    assert tokenizer.eog_ids == set(tokenizer.encode("<|im_end|><end_of_turn>", parse_special=True))
