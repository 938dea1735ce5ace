"""Hugging Face's tensor names and GGUF's."""

from __future__ import annotations

import numpy as np
import pytest
from pestle.convert.names import LLAMA, NAME_MAPS, QWEN2
from pestle.convert.names.llama import interleave_halves


@pytest.mark.parametrize(
    ("theirs", "gguf"),
    [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("lm_head.weight", "output.weight"),
        ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"),
        ("model.layers.17.self_attn.q_proj.bias", "blk.17.attn_q.bias"),
        ("model.layers.3.self_attn.o_proj.weight", "blk.3.attn_output.weight"),
        ("model.layers.3.post_attention_layernorm.weight", "blk.3.ffn_norm.weight"),
        ("model.layers.3.mlp.down_proj.weight", "blk.3.ffn_down.weight"),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", None),
    ],
)
def test_names(theirs: str, gguf: str | None) -> None:
    for names in NAME_MAPS.values():
        assert names.gguf_name(theirs) == gguf


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.sinks",
        "model.layers.x.mlp.up_proj.weight",
        "model.layers.0.mlp.experts.1.up_proj.weight",
        "lm_head",
        "",
    ],
)
def test_an_unknown_tensor_is_named(name: str) -> None:
    with pytest.raises(KeyError) as error:
        LLAMA.gguf_name(name)
    assert error.value.args == (name,)


def test_only_llama_moves_the_rows_of_q_and_k() -> None:
    assert LLAMA.is_rotated("blk.0.attn_q.weight")
    assert LLAMA.is_rotated("blk.9.attn_k.bias")
    assert not LLAMA.is_rotated("blk.0.attn_v.weight")
    assert not LLAMA.is_rotated("output.weight")
    assert not QWEN2.is_rotated("blk.0.attn_q.weight")


def test_halves_become_pairs_within_each_head() -> None:
    rows = np.arange(16)
    expected = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]
    assert interleave_halves(rows, 2).tolist() == expected
    matrix = np.stack([rows, -rows], axis=1)
    assert interleave_halves(matrix, 2).tolist() == [[i, -i] for i in expected]


def test_rows_that_make_no_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="10 rows do not make 3 heads"):
        interleave_halves(np.zeros(10), 3)
    with pytest.raises(ValueError, match="even size"):
        interleave_halves(np.zeros(9), 3)
