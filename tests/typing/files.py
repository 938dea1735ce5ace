"""A user's program: converting, quantizing, evaluating, planning, vectors."""

from pathlib import Path

from pestle import (
    LLM,
    Conversion,
    DownloadError,
    Evaluation,
    ModelNotFoundError,
    Plan,
    Verification,
    convert,
    evaluate,
    plan,
    quantize,
    verify,
)
from typing_extensions import assert_type

made = convert(Path("checkpoint"), "model.gguf", to="Q8_0")
assert_type(made, Conversion)
assert_type(quantize("model.gguf", "small.gguf", to="Q4_K_M"), Conversion)
assert_type(verify("small.gguf"), Verification)
assert_type(evaluate("small.gguf", reference="model.gguf"), Evaluation)
try:
    assert_type(plan("qwen3-4b-2507"), list[Plan])
except (ModelNotFoundError, DownloadError) as error:
    print(error)
with LLM("embedding.gguf") as llm:
    vectors = llm.embed(["a", "b"], normalize=True, dimensions=256)
    print(float(vectors[0] @ vectors[1]), llm.pooling, llm.dim)
