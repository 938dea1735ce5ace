"""An evaluation as a whole, on tiny models; its agreement with transformers is tested in oracle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pestle
import pytest
from pestle import _core
from pestle.errors import Error, ModelNotFoundError, TokenizerError
from pestle.quality import Evaluation, built_in, evaluate
from pestle.quality.windows import fixed_now, windows_of
from pestle.template import template_of
from pestle.tokenizer import Tokenizer

from tests.oracle import altered_file, checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from . import numbers

# A vocabulary that can express any text.
CASE = replace(CASES["gptoss-yarn"], config=CASES["gptoss-yarn"].config | {"vocab_size": 300})
TEXT = "The shelf has stood for eleven years, and it leans towards the window.\n" * 4


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation") / "source"
    return checkpoint_folder.write(folder, CASE, checkpoints.weights(CASE), "BF16")


@pytest.fixture(scope="module")
def files(source: Path) -> dict[str, Path]:
    return {
        kind: pestle.convert(source, source.parent / f"{kind}.gguf", to=kind).paths[0]
        for kind in ("BF16", "Q8_0", "Q4_0")
    }


@pytest.fixture(scope="module")
def texts(source: Path) -> Path:
    path = source.parent / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_against_numpy(files: dict[str, Path], texts: Path) -> None:
    """From the engine's logits, by the book."""
    found = pestle.evaluate(files["Q4_0"], reference=files["BF16"], texts=texts, ctx_size=100)
    tokens = Tokenizer.from_gguf(_core.GgufFile(files["Q4_0"])).encode(TEXT)
    losses, divergences = [], []
    for at in range(0, len(tokens), 100):
        window = tokens[at : at + 100]
        logits = []
        for kind in ("BF16", "Q4_0"):
            engine = _core.Engine(_core.Model(files[kind]), n_ctx=100, kv_type="f32")
            engine.step([(engine.sequence(), window)], "all")
            logits.append(engine.logits()[:-1])
        losses.append(numbers.losses(logits[1], np.array(window[1:])))
        divergences.append(numbers.divergence(*logits))
    of = found.total.divergence
    assert of is not None
    assert found.total.tokens == sum(map(len, losses))
    assert found.total.perplexity == pytest.approx(np.exp(np.concatenate(losses).mean()), rel=1e-9)
    assert of.mean == pytest.approx(np.concatenate(divergences).mean(), rel=1e-9)
    assert (found.texts, found.ctx_size, list(found.categories)) == ("text.txt", 100, ["text"])


def test_streamed_and_threaded_it_is_the_same(files: dict[str, Path], texts: Path) -> None:
    def found(**options: bool | int) -> Evaluation:
        return evaluate(files["Q8_0"], reference=files["BF16"], texts=texts, **options)  # type: ignore[arg-type]

    assert found(threads=1) == found(threads=2, stream=True) == found(threads=3)


def test_the_checkpoint_is_its_own_file(files: dict[str, Path], source: Path, texts: Path) -> None:
    """Layer by layer from the folder, and as a whole from the file of the same precision."""
    one, other = (
        evaluate(files["Q4_0"], reference=reference, texts=texts)
        for reference in (source, files["BF16"])
    )
    assert (one.reference, other.reference) == ("source", "BF16.gguf")
    assert replace(one, reference="") == replace(other, reference="")


def test_built_in_texts(files: dict[str, Path]) -> None:
    found = evaluate(files["Q8_0"], ctx_size=64)
    assert (found.reference, found.total.divergence, found.problems) == (None, None, ())
    assert (found.texts, found.texts_sha256) == ("pestle-1", built_in().digest)
    file = _core.GgufFile(files["Q8_0"])
    tokenizer = Tokenizer.from_gguf(file)
    template = template_of(file, tokenizer, now=fixed_now)
    windows = windows_of(built_in(), tokenizer, template, 64)
    assert found.total.tokens == sum(window.positions for window in windows.windows)
    assert found.total.tokens == sum(of.tokens for of in found.categories.values())
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert repr(found).startswith("Evaluation('Q8_0.gguf', ")
    assert repr(found).endswith(", ok=True)")


def test_no_window_is_longer_than_the_model_was_trained_for(
    files: dict[str, Path], texts: Path
) -> None:
    context = CASE.config["max_position_embeddings"]
    assert evaluate(files["Q8_0"], texts=texts, ctx_size=10**6).ctx_size == context


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "tokenizer.ggml.pre",
            "llama-bpe",
            r"tokenizer\.ggml\.pre is 'llama-bpe', expected 'gpt-2'",
        ),
        ("tokenizer.ggml.eos_token_id", 5, r"eos_token_id is 5, expected 299"),
    ],
)
def test_tokenizers_that_differ(
    files: dict[str, Path], texts: Path, tmp_path: Path, key: str, value: object, message: str
) -> None:
    other = altered_file.write(tmp_path / "other.gguf", files["Q8_0"], keys={key: value})
    with pytest.raises(TokenizerError, match=rf"other\.gguf: its tokenizer .*{message}"):
        evaluate(other, reference=files["BF16"], texts=texts)


def test_the_first_token_that_differs_is_named(
    files: dict[str, Path], texts: Path, tmp_path: Path
) -> None:
    tokens = _core.GgufFile(files["Q8_0"])["tokenizer.ggml.tokens"]
    tokens[7], tokens[9] = tokens[9], tokens[7]
    keys = {"tokenizer.ggml.tokens": tokens}
    other = altered_file.write(tmp_path / "other.gguf", files["Q8_0"], keys=keys)
    with pytest.raises(TokenizerError, match=r"tokens\[7\] is '\*', expected '\('"):
        evaluate(other, reference=files["BF16"], texts=texts)


def test_another_name_of_the_same_pre_tokenizer_agrees(
    files: dict[str, Path], texts: Path, tmp_path: Path
) -> None:
    keys = {"tokenizer.ggml.pre": "olmo"}
    other = altered_file.write(tmp_path / "other.gguf", files["Q8_0"], keys=keys)
    assert evaluate(other, reference=files["BF16"], texts=texts).ok


def test_refusals(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        evaluate(files["Q8_0"], reference=tmp_path / "none.gguf")
    with pytest.raises(Error, match=r"cannot read .*config\.json"):
        evaluate(files["Q8_0"], reference=tmp_path)
    with pytest.raises(ValueError, match="ctx_size is 1, expected 2 or more"):
        evaluate(files["Q8_0"], ctx_size=1)
