"""Which type each tensor gets, where the caller says more than the name of a mixture."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle._core import GgufFile
from pestle.conversion import convert, verify
from pestle.conversion.options import ConversionOptions
from pestle.conversion.stored_types import stored_types
from pestle.errors import Error
from pestle.quantization import ModelFacts, quantize_rows
from pestle.tensors.model import ModelTensor, SourceModel

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES


def types(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in GgufFile(path).tensors}


def test_the_first_rule_that_matches_wins(source: Path, tmp_path: Path) -> None:
    plain = types(convert(source, tmp_path / "plain.gguf", to="Q8_0").paths[0])
    rules = [r"blk\.1\.ffn_down=q4_k", "ffn_(down|up)=Q5_K", "^output=F16"]
    made = convert(source, tmp_path / "out.gguf", to="Q8_0", tensor_types=rules)
    found = types(made.paths[0])
    changed = {name: kind for name, kind in found.items() if plain[name] != kind}
    assert changed == {
        "blk.0.ffn_down_exps.weight": "Q5_K",
        "blk.0.ffn_up_exps.weight": "Q5_K",
        "blk.1.ffn_down_exps.weight": "Q4_K",
        "blk.1.ffn_up_exps.weight": "Q5_K",
        "output.weight": "F16",
    }
    assert found["output_norm.weight"] == "F32"  # no matrix
    assert made.manifest.options["tensor_types"] == rules
    assert verify(made.paths[0], rederive=source).ok


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        (["attn_z=Q8_0"], Error, "tensor_types: attn_z=Q8_0: no matrix of this model"),
        (["norm=Q8_0"], Error, "tensor_types: norm=Q8_0: no matrix of this model"),
        (["attn=Q8_0", "attn_q=Q4_0"], Error, "attn_q=Q4_0: earlier ones match all that"),
        (
            ["attn_k=IQ4_XS"],
            Error,
            r"attn_k=IQ4_XS: `blk\.0\.attn_k\.weight`: IQ4_XS needs rows of a multiple of 256 .*64",
        ),
    ],
)
def test_rules_that_do_not_fit(
    rules: list[str], error: type[Error], message: str, tmp_path: Path
) -> None:
    case = CASES["llama-tied"]
    source = checkpoint_folder.write(tmp_path / "s", case, checkpoints.weights(case))
    with pytest.raises(error, match=message):
        convert(source, tmp_path / "out.gguf", to="Q8_0", tensor_types=rules)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("ffn_down", "is not REGEX=TYPE"),
        ("=Q8_0", "is not REGEX=TYPE"),
        ("ffn=Q4_K_M", "Q4_K_M is not a type, expected F32, F16"),
        ("ffn(=Q8_0", "is not a regular expression"),
    ],
)
def test_what_is_no_rule(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConversionOptions("Q8_0", tensor_types=(rule,))


def test_a_rule_may_hold_an_equals_sign() -> None:
    (rule,) = ConversionOptions("Q8_0", tensor_types=("a(?=b)=Q4_0",)).rules
    assert (rule.pattern.pattern, rule.type) == ("a(?=b)", "Q4_0")


def test_mixtures_spend_other_bits_where_importance_is_known() -> None:
    names = [f"blk.{n}.ffn_down.weight" for n in range(16)]
    model = SourceModel(
        path=Path("model"),
        files=(),
        tensors=tuple(ModelTensor(name, (256, 256), ()) for name in names),
        constants={},
        facts=ModelFacts(16, 4, 4),
        keys={},
        digests={},
        config={},
        verbatim=False,
    )
    plain = stored_types(model, ConversionOptions("Q4_0"))
    weighted = stored_types(model, ConversionOptions("Q4_0", imatrix="0" * 64))
    assert {plain[name] for name in names} == {"Q4_0"}
    assert [name for name in names if weighted[name] == "Q4_1"] == names[:2]


def test_mxfp4_of_floats(tmp_path: Path) -> None:
    """A mixture that asks for MXFP4 gets it from floats too."""
    case = CASES["gptoss-256"]
    parameters = checkpoints.weights(case)
    source = checkpoint_folder.write(tmp_path / "s", case, parameters)
    path = convert(source, tmp_path / "out.gguf", to="MXFP4_MOE").paths[0]
    name = "blk.0.ffn_down_exps.weight"
    assert types(path)[name] == "MXFP4"
    values = parameters["model.layers.0.mlp.experts.down_proj"].swapaxes(1, 2)
    rows = values.reshape(-1, values.shape[-1]).copy()
    assert GgufFile(path).read(name).tobytes() == quantize_rows("MXFP4", rows).tobytes()
