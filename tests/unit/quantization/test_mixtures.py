"""The types of a mixture's tensors, against what llama.cpp counts in published files."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from pestle.quantization import (
    ModelFacts,
    Shapes,
    file_type,
    fitting_type,
    is_quantized,
    mixture_types,
)
from pestle.types import MIXTURES, QUANTIZABLE


def dense(n_layers: int, dim: int, ffn_dim: int, kv_dim: int, *, tied: bool = False) -> Shapes:
    """Llama's tensors."""
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (32000, dim),
        "output_norm.weight": (dim,),
    }
    if not tied:
        found["output.weight"] = (32000, dim)
    layer = {
        "attn_norm": (dim,), "ffn_norm": (dim,), "attn_q": (dim, dim), "attn_k": (kv_dim, dim),
        "attn_v": (kv_dim, dim), "attn_output": (dim, dim), "ffn_gate": (ffn_dim, dim),
        "ffn_up": (ffn_dim, dim), "ffn_down": (dim, ffn_dim),
    }  # fmt: skip
    for i in range(n_layers):
        found |= {f"blk.{i}.{part}.weight": shape for part, shape in layer.items()}
    return found


def experts(n_layers: int, n: int, dim: int = 2048, ffn_dim: int = 768) -> Shapes:
    """Qwen3-MoE's tensors."""
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (151936, dim),
        "output_norm.weight": (dim,),
        "output.weight": (151936, dim),
    }
    layer = {
        "attn_norm": (dim,), "ffn_norm": (dim,), "attn_q_norm": (128,), "attn_k_norm": (128,),
        "attn_q": (4096, dim), "attn_k": (512, dim), "attn_v": (512, dim),
        "attn_output": (dim, 4096), "ffn_gate_inp": (n, dim), "ffn_gate_exps": (n, ffn_dim, dim),
        "ffn_up_exps": (n, ffn_dim, dim), "ffn_down_exps": (n, dim, ffn_dim),
    }  # fmt: skip
    for i in range(n_layers):
        found |= {f"blk.{i}.{part}.weight": shape for part, shape in layer.items()}
    return found


LLAMA2_7B = dense(32, 4096, 11008, 4096), ModelFacts(32, 32, 32)
LLAMA3_8B = dense(32, 4096, 14336, 1024), ModelFacts(32, 32, 8)
LLAMA3_70B = dense(80, 8192, 28672, 1024), ModelFacts(80, 64, 8)
QWEN3_30B = experts(48, 128), ModelFacts(48, 32, 4, 128)
MIXTRAL = experts(32, 8, 4096, 14336), ModelFacts(32, 32, 8, 8)

# As llama.cpp prints the counts of types when it loads the files that were published.
PUBLISHED = {
    ("Q4_K_M", "llama-3-8b"): {"F32": 65, "Q4_K": 193, "Q6_K": 33},
    ("Q5_K_M", "llama-3-8b"): {"F32": 65, "Q5_K": 193, "Q6_K": 33},
    ("Q4_K_S", "llama-2-7b"): {"F32": 65, "Q4_K": 217, "Q5_K": 8, "Q6_K": 1},
    ("Q3_K_M", "llama-2-7b"): {"F32": 65, "Q3_K": 129, "Q4_K": 92, "Q5_K": 4, "Q6_K": 1},
    ("Q3_K_L", "llama-2-7b"): {"F32": 65, "Q3_K": 129, "Q5_K": 96, "Q6_K": 1},
    ("Q3_K_S", "llama-2-7b"): {"F32": 65, "Q3_K": 225, "Q6_K": 1},
    ("Q2_K", "llama-3-8b"): {"F32": 65, "Q2_K": 129, "Q3_K": 64, "Q4_K": 32, "Q6_K": 1},
    ("Q4_0", "llama-2-7b"): {"F32": 65, "Q4_0": 225, "Q6_K": 1},
    ("Q8_0", "llama-3-8b"): {"F32": 65, "Q8_0": 226},
    ("Q6_K", "llama-3-8b"): {"F32": 65, "Q6_K": 226},
    ("Q4_K_M", "qwen3-30b-a3b"): {"F32": 241, "Q4_K": 289, "Q6_K": 49},
}
MODELS = {"llama-2-7b": LLAMA2_7B, "llama-3-8b": LLAMA3_8B, "qwen3-30b-a3b": QWEN3_30B}


@pytest.mark.parametrize(("mixture", "name"), PUBLISHED)
def test_as_many_of_each_type_as_in_the_published_file(mixture: str, name: str) -> None:
    tensors, model = MODELS[name]
    assert Counter(mixture_types(mixture, tensors, model).values()) == PUBLISHED[mixture, name]


def test_the_order_of_the_tensors_does_not_matter() -> None:
    """Layer 10 counts after layer 9, whatever the file's order."""
    tensors, model = LLAMA3_8B
    shuffled = list(tensors)
    random.Random(7).shuffle(shuffled)
    found = mixture_types("Q4_K_M", {name: tensors[name] for name in shuffled}, model)
    assert found == mixture_types("Q4_K_M", tensors, model)
    finer = [i for i in range(32) if found[f"blk.{i}.attn_v.weight"] == "Q6_K"]
    assert finer == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    assert finer == [i for i in range(32) if found[f"blk.{i}.ffn_down.weight"] == "Q6_K"]


def test_tied_embeddings_are_the_head() -> None:
    tied = dense(4, 512, 1024, 128, tied=True), ModelFacts(4, 8, 2)
    assert mixture_types("Q4_0", *tied)["token_embd.weight"] == "Q6_K"
    untied = dense(4, 512, 1024, 128), ModelFacts(4, 8, 2)
    found = mixture_types("Q4_0", *untied)
    assert (found["token_embd.weight"], found["output.weight"]) == ("Q4_0", "Q6_K")


@pytest.mark.parametrize(
    ("mixture", "n_kv_heads", "expected"),
    [("Q2_K", 32, "Q3_K"), ("Q2_K", 8, "Q4_K"), ("Q2_K_S", 16, "Q2_K"), ("Q2_K_S", 8, "Q4_K"),
     ("IQ4_XS", 16, "IQ4_XS"), ("IQ4_XS", 8, "Q5_K"), ("IQ4_NL", 4, "Q5_K"),
     ("Q4_K_M", 8, "Q4_K"), ("Q3_K_L", 8, "Q5_K")],
)  # fmt: skip
def test_values_that_many_queries_share(mixture: str, n_kv_heads: int, expected: str) -> None:
    tensors = dense(32, 4096, 14336, 128 * n_kv_heads)
    found = mixture_types(mixture, tensors, ModelFacts(32, 32, n_kv_heads))
    assert found["blk.5.attn_v.weight"] == expected


def test_llama_70b_shares_its_values_among_eight() -> None:
    found = mixture_types("Q4_K_M", *LLAMA3_70B)
    assert {found[f"blk.{i}.attn_v.weight"] for i in range(80)} == {"Q5_K", "Q6_K"}
    assert found["blk.11.attn_k.weight"] == "Q4_K"
    found = mixture_types("Q3_K_S", *LLAMA3_70B)
    assert found["blk.11.attn_v.weight"] == "Q5_K"


def test_eight_experts_have_rules_of_their_own() -> None:
    found = mixture_types("Q4_K_M", *MIXTRAL)
    assert found["blk.3.attn_k.weight"] == found["blk.3.attn_v.weight"] == "Q8_0"
    assert found["blk.3.attn_output.weight"] == "Q5_K"
    assert found["blk.3.ffn_down_exps.weight"] == "Q6_K"
    assert found["blk.4.ffn_down_exps.weight"] == "Q4_K"
    assert mixture_types("Q5_K_M", *MIXTRAL)["blk.3.attn_output.weight"] == "Q5_K"
    other = mixture_types("Q4_K_M", *QWEN3_30B)
    assert other["blk.20.attn_k.weight"] == other["blk.20.attn_output.weight"] == "Q4_K"


def test_layers_of_experts_are_told_by_their_names() -> None:
    """Dense layers, shared experts and experts are not counted one after the other."""
    model = ModelFacts(16, 16, 16, 64)
    parts = ["ffn_down"] + ["ffn_down_exps", "ffn_down_shexp"] * 15
    layers = [0] + [i for i in range(1, 16) for _ in range(2)]
    tensors = {
        f"blk.{i}.{part}.weight": (64 if "exps" in part else 1, 512, 1024)
        for i, part in zip(layers, parts, strict=True)
    }
    found = mixture_types("Q4_K_M", tensors, model)
    finer = {0, 1, 4, 7, 10, 13, 14, 15}
    for name, kind in found.items():
        assert (kind == "Q6_K") == (int(name.split(".")[1]) in finer), name


@pytest.mark.parametrize(
    ("mixture", "plain", "informed"),
    [("IQ4_XS", "Q5_K", "IQ4_XS"), ("IQ4_NL", "Q5_K", "IQ4_NL"), ("Q4_0", "Q4_0", "Q4_1"),
     ("Q5_0", "Q5_0", "Q5_1"), ("Q4_K_S", "Q5_K", "Q5_K")],
)  # fmt: skip
def test_what_an_importance_matrix_changes(mixture: str, plain: str, informed: str) -> None:
    tensors, model = LLAMA3_8B
    for has_importance, expected in ((False, plain), (True, informed)):
        found = mixture_types(mixture, tensors, model, has_importance=has_importance)
        assert found["blk.3.ffn_down.weight"] == expected
        assert found["blk.4.ffn_down.weight"] == MIXTURES[mixture]


def test_mxfp4_is_for_experts() -> None:
    found = mixture_types("MXFP4_MOE", *QWEN3_30B)
    kinds = {name.split(".", 2)[-1]: kind for name, kind in found.items()}
    assert {kinds[f"ffn_{part}_exps.weight"] for part in ("gate", "up", "down")} == {"MXFP4"}
    rest = {kind for name, kind in found.items() if "_exps" not in name}
    assert rest == {"F32", "Q8_0"}


@pytest.mark.parametrize(
    ("kind", "columns", "expected"),
    [("Q2_K", 2880, "Q4_0"), ("Q3_K", 576, "Q4_0"), ("Q4_K", 2880, "Q5_0"), ("Q5_K", 1408, "Q5_1"),
     ("Q6_K", 576, "Q8_0"), ("IQ4_XS", 2880, "IQ4_NL"), ("Q4_K", 1536, "Q4_K"),
     ("Q4_K", 100, "F16"), ("Q8_0", 100, "F16"), ("MXFP4", 2880, "MXFP4"),
     ("BF16", 7, "BF16"), ("F32", 1, "F32")],
)  # fmt: skip
def test_rows_that_blocks_do_not_divide(kind: str, columns: int, expected: str) -> None:
    assert fitting_type(kind, columns) == expected


def test_a_head_whose_rows_no_super_block_divides_has_eight_bits() -> None:
    tensors, model = dense(2, 576, 1536, 192, tied=True), ModelFacts(2, 9, 3)
    found = mixture_types("Q4_K_M", tensors, model)
    assert found["token_embd.weight"] == "Q8_0"
    assert found["blk.0.ffn_down.weight"] == "Q4_K"
    assert found["blk.0.attn_q.weight"] == "Q5_0"
    # Q4_0's blocks divide 576, but those of the head's Q6_K do not.
    assert mixture_types("Q4_0", tensors, model)["token_embd.weight"] == "Q8_0"


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [("blk.0.attn_q.weight", (64, 64), True), ("blk.0.attn_q_norm.weight", (4, 64), False),
     ("blk.0.attn_norm.weight", (64,), False), ("blk.0.ffn_gate_inp.weight", (8, 64), False),
     ("blk.0.ffn_up_exps.bias", (8, 64), False), ("blk.0.attn_sinks.weight", (64,), False),
     ("rope_freqs.weight", (64,), False), ("blk.0.attn_k_b.weight", (16, 512, 128), True),
     ("blk.0.ffn_gate_exps.weight", (8, 1, 64), True), ("blk.0.ffn_gate.weight", (1, 64), False)],
)  # fmt: skip
def test_what_is_quantized_at_all(name: str, shape: tuple[int, ...], expected: bool) -> None:
    assert is_quantized(name, shape) == expected


def test_every_mixture_is_of_types_that_there_are() -> None:
    for mixture in MIXTURES:
        for tensors, model in (LLAMA3_8B, QWEN3_30B):
            assert set(mixture_types(mixture, tensors, model).values()) <= set(QUANTIZABLE)
        assert file_type(mixture) >= 0
    assert len({file_type(mixture) for mixture in MIXTURES}) == len(MIXTURES)
    assert (file_type("Q4_K_M"), file_type("MXFP4_MOE")) == (15, 38)


def test_what_is_no_mixture() -> None:
    with pytest.raises(ValueError, match="Q4_K is no mixture; there are F32, F16"):
        mixture_types("Q4_K", *LLAMA3_8B)
