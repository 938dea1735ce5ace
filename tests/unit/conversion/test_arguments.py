"""What is wrong with an argument of convert, quantize, verify, evaluate or plan is said at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle import (
    ArgumentError,
    ArgumentTypeError,
    Target,
    UnsupportedError,
    convert,
    evaluate,
    plan,
    quantize,
    verify,
)
from pestle.models import resolve


@pytest.mark.parametrize(
    ("call", "given", "options", "why"),
    [
        (convert, ("x",), {"type": "Q8_0"}, "unknown argument 'type'; did you mean to?"),
        (convert, ("x",), {"outfile": "y"}, "unknown argument 'outfile'; did you mean output?"),
        (convert, ("x",), {"overwrit": True}, "'overwrit'; did you mean overwrite?"),
        (convert, ("x",), {"overwrite": "no"}, "overwrite is 'no', expected True or False"),
        (convert, ("x",), {"to": 8}, "to is 8, expected a type such as 'Q8_0', or a Target"),
        (convert, ("x",), {"tensor_types": "a=Q8_0"}, "tensor_types is 'a=Q8_0', expected a list"),
        (convert, ("x",), {"tensor_types": [5]}, "tensor_types is [5], expected rules that are"),
        (convert, ("x",), {"split_size": "1GB"}, "split_size is '1GB', expected an integer"),
        (convert, ("x",), {"threads": 1.5}, "threads is 1.5, expected an integer"),
        (convert, ("x",), {"name": 5}, "name is 5, expected a string"),
        (convert, (), {"hf": 5}, "hf is 5, expected a string"),
        (convert, (5,), {}, "source is 5, expected a path"),
        (convert, ("x",), {"imatrix": 5}, "imatrix is 5, expected a file or what was read"),
        (quantize, (5, "y", "Q8_0"), {}, "source is 5, expected a path"),
        (quantize, ("x", 5, "Q8_0"), {}, "output is 5, expected a path"),
        (quantize, ("x", "y", "Q8_0"), {"progress": 5}, "progress is 5, expected a pestle.models"),
        (verify, (5,), {}, "path is 5, expected a path"),
        (verify, ("x",), {"rederive": 5}, "rederive is 5, expected a path"),
        (verify, ("x",), {"source": "y"}, "unknown argument 'source'"),
        (evaluate, (5,), {}, "model is 5, expected a path"),
        (evaluate, ("x",), {"texts": 5}, "texts is 5, expected a path"),
        (evaluate, ("x",), {"dataset": "y"}, "unknown argument 'dataset'; did you mean texts?"),
        (evaluate, ("x",), {"ctx_size": "512"}, "ctx_size is '512', expected an integer"),
        (evaluate, ("x",), {"stream": 1}, "stream is 1, expected True or False"),
        (plan, (5,), {}, "model is 5, expected a path"),
        (plan, (), {"nctx": 5}, "unknown argument 'nctx'; did you mean n_ctx?"),
        (plan, (), {"memry": 5}, "unknown argument 'memry'; did you mean memory?"),
        (plan, (), {"memory": 1.5}, "memory is 1.5, expected an integer"),
        (Target, (), {"bpw": "4"}, "bpw is '4', expected a number"),
        (Target, (), {"size": 1.5}, "size is 1.5, expected an integer"),
        (Target, (5,), {"text": 5}, "text is 5, expected a string"),
    ],
)
def test_of_a_wrong_type(
    call: Callable[..., Any], given: tuple[Any, ...], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ArgumentTypeError) as raised:
        call(*given, **options)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("call", "given", "options", "why"),
    [
        (convert, ("",), {}, "source is '', expected a path"),
        (convert, (), {}, "give a checkpoint either as a folder or by hf"),
        (convert, ("x",), {"hf": "a/b"}, "give a checkpoint either as a folder or by hf"),
        (convert, ("x",), {"tensor_types": ["a"]}, "'a' is not REGEX=TYPE"),
        (convert, ("x",), {"threads": -1}, "threads is -1, expected from 0"),
        (evaluate, ("x",), {"ctx_size": 1}, "ctx_size is 1, expected 2 or more"),
        (plan, ("x",), {"hf": "a/b"}, "give a model either by name or by hf, not both"),
        (resolve, ("x",), {"hf": "a/b"}, "give a model either by name or by hf, not both"),
        (Target, ("much",), {}, "size: 'much' is not a size, as in 12GiB or 800MB"),
        (Target, (), {}, "give a target either as size or as bpw, not 0 and 0"),
        (Target, ("4GB", 4.5), {}, "give a target either as size or as bpw, not 4GB and 4.5"),
        (Target, (), {"bpw": 32}, "bpw is 32, expected in [0, 32)"),
        (Target, (), {"bpw": math.nan}, "bpw is nan, expected in [0, 32)"),
        (Target, (-1,), {}, "size is -1, expected from 1"),
    ],
)
def test_of_a_wrong_value(
    call: Callable[..., Any], given: tuple[Any, ...], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ArgumentError) as raised:
        call(*given, **options)
    assert why in str(raised.value)


def test_a_type_that_is_nearly_one(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"; did you mean Q4_K_M\?$"):
        quantize("x.gguf", tmp_path / "y.gguf", to="q4km")


def test_a_size_in_words() -> None:
    assert Target("4GB") == Target(size=4 * 10**9)
    assert Target("2GiB").size == 2 << 30
