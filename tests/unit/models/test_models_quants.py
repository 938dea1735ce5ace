"""File names to models, and which model a quantization means."""

from __future__ import annotations

import pytest
from pestle.errors import ModelNotFoundError
from pestle.models.quants import choose, group, quant_of, tag


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("Llama-3.2-1B-Instruct-Q4_K_M", "Q4_K_M"),
        ("qwen2.5-7b-instruct-q4_k_m", "Q4_K_M"),
        ("SmolLM2-135M-Instruct.Q4_1", "Q4_1"),
        ("BF16/Qwen3-8B-BF16", "BF16"),
        ("Qwen3-8B-UD-Q4_K_XL", "UD-Q4_K_XL"),
        ("gpt-oss-20b-mxfp4", "MXFP4"),
        ("model-IQ4_XS", "IQ4_XS"),
        ("model.Q8_0-imat", "Q8_0"),
        ("model-F16-Q5_0", "Q5_0"),
        ("Qwen2.5-VL", None),
        ("model", None),
    ],
)
def test_quant_of(name: str, quant: str | None) -> None:
    assert quant_of(name) == quant


def test_group_joins_shards_in_order_and_leaves_out_what_is_no_model() -> None:
    models = group(
        [
            "m-Q8_0-00002-of-00002.gguf",
            "m-Q8_0-00001-of-00002.gguf",
            "m-Q4_0.gguf",
            "mmproj-m-F16.gguf",
            "imatrix.gguf",
            "README.md",
        ]
    )
    assert [(m.name, m.files, m.complete) for m in models] == [
        ("m-Q4_0", ("m-Q4_0.gguf",), True),
        ("m-Q8_0", ("m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"), True),
    ]


def test_group_knows_that_a_shard_is_missing() -> None:
    (model,) = group(["m-Q8_0-00002-of-00002.gguf"])
    assert not model.complete


@pytest.mark.parametrize(
    ("files", "quant", "chosen"),
    [
        (["m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q4_0.gguf"], None, "m-Q4_K_M"),
        (["m-Q8_0.gguf", "m-Q2_K.gguf", "m-Q4_0.gguf"], None, "m-Q4_0"),
        (["m-Q8_0.gguf", "m-Q2_K.gguf"], None, "m-Q8_0"),
        (["m-mxfp4.gguf"], None, "m-mxfp4"),
        (["m.gguf"], None, "m"),
        (["m-q5_0.gguf", "m-q8_0.gguf"], "Q5_0", "m-q5_0"),
        (["m-Q5_0.gguf", "m-Q8_0.gguf"], "q8_0", "m-Q8_0"),
        (["m-UD-Q4_K_XL.gguf", "m-Q4_0.gguf"], "Q4_K_XL", "m-UD-Q4_K_XL"),
        (["m-UD-Q4_0.gguf", "m-Q4_0.gguf"], "Q4_0", "m-Q4_0"),
        (["a-Q4_0.gguf", "b-Q4_0.gguf"], "b-Q4_0.gguf", "b-Q4_0"),
        (["x/a-Q4_0.gguf", "x/b-Q4_0.gguf"], "A-Q4_0", "x/a-Q4_0"),
    ],
)
def test_choose(files: list[str], quant: str | None, chosen: str) -> None:
    assert choose(group(files), quant, "u/r").name == chosen


@pytest.mark.parametrize(
    ("files", "quant", "message"),
    [
        ([], None, "u/r holds no GGUF model"),
        (["m-Q8_0-00002-of-00002.gguf"], None, "u/r holds no GGUF model"),
        (
            ["m-Q8_0.gguf", "m-Q4_0.gguf"],
            "Q6_K",
            "u/r holds no Q6_K; name one after a colon: Q4_0, Q8_0",
        ),
        (
            ["m-Q2_K.gguf", "m-Q6_K.gguf"],
            None,
            "u/r holds several models; name one after a colon: Q2_K, Q6_K",
        ),
        (
            ["a-Q4_0.gguf", "b-Q4_0.gguf", "c-Q8_0.gguf"],
            "Q4_0",
            "u/r holds several models in Q4_0; name one after a colon: a-Q4_0, b-Q4_0",
        ),
    ],
)
def test_choose_says_what_there_is(files: list[str], quant: str | None, message: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        choose(group(files), quant, "u/r")
    assert str(caught.value) == message


def test_tags_are_unique() -> None:
    models = group(["a-Q4_0.gguf", "b-Q4_0.gguf", "a-Q8_0.gguf", "plain.gguf"])
    assert [tag(model, models) for model in models] == ["a-Q4_0", "Q8_0", "b-Q4_0", "plain"]
