"""`embed`: what it takes, what it gives, what it refuses; and that company changes no bit."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import (
    LLM,
    ArgumentError,
    ArgumentTypeError,
    ContextLengthError,
    Error,
    FormatError,
    UnsupportedError,
)

from tests.unit.llm.cancelling import outlasts_cancelling
from tests.unit.sessions.models import write

MakeLlm = Callable[..., LLM]
TEXTS = ["a", "what is asked", "a text that goes on for a while " * 9, "what is asked", "ü"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    """The core's engine over a file for embeddings, which wants an end behind each text."""
    keys = {"llama.pooling_type": 3, "tokenizer.ggml.add_eos_token": True}
    path = write(tmp_path_factory.mktemp("embed") / "tiny.gguf", keys=keys)
    with LLM(path, threads=2) as llm:
        yield llm


def test_one_text_and_several(tiny: LLM) -> None:
    vectors = tiny.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, tiny.dim)
    assert tiny.embed([]).shape == (0, tiny.dim)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert tiny.embed(text).tobytes() == vector.tobytes()
        assert tiny.embed(tiny.tokenize(text)).tobytes() == vector.tobytes()
    by_tokens = tiny.embed([tiny.tokenize(text) for text in TEXTS])
    assert by_tokens.tobytes() == vectors.tobytes()
    assert vectors[1].tobytes() == vectors[3].tobytes() != vectors[0].tobytes()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_file_decides(tiny: LLM) -> None:
    """The pooling, and the tokens around a text."""
    assert tiny.pooling == "last"
    *_, end = tiny.tokenize("abc")
    assert end == tiny.tokenizer.eos_id
    vector = tiny.embed("abc")
    assert vector.tobytes() == tiny.embed("abc", pooling="last").tobytes()
    assert vector.tobytes() != tiny.embed("abc", pooling="mean").tobytes()
    assert vector.tobytes() != tiny.embed(tiny.tokenize("abc", add_special=False)).tobytes()


def test_columns_and_lengths(tiny: LLM) -> None:
    whole = tiny.embed("abc", normalize=False)
    assert np.linalg.norm(whole) != pytest.approx(1, abs=1e-3)
    cut = tiny.embed("abc", dimensions=7)
    np.testing.assert_allclose(cut, whole[:7] / np.linalg.norm(whole[:7]), rtol=1e-6)
    assert tiny.embed("abc", dimensions=7, normalize=False).tobytes() == whole[:7].tobytes()
    for text in TEXTS:
        states = [tiny.embed(tiny.tokenize(text)[: n + 1], normalize=False) for n in range(3)]
        mean = tiny.embed(tiny.tokenize(text)[:3], pooling="mean", normalize=False)
        if len(tiny.tokenize(text)) >= 3:
            np.testing.assert_allclose(mean, np.mean(states, axis=0), rtol=1e-5, atol=1e-6)


def test_company_changes_no_bit(tiny: LLM) -> None:
    """Many texts, more than are read at once, while others write and embed."""
    texts = [f"text number {n} " * (1 + n * n % 37) for n in range(60)]
    alone = {
        pooling: np.stack([tiny.embed(text, pooling=pooling) for text in texts])
        for pooling in ("mean", "last")
    }
    said = tiny.generate("once", max_tokens=60, seed=3).text
    found: dict[str, Any] = {}

    def embed(pooling: str) -> None:
        found[pooling] = tiny.embed(texts, pooling=pooling)

    def write_on() -> None:
        found["said"] = tiny.generate("once", max_tokens=60, seed=3).text

    threads = [threading.Thread(target=embed, args=(each,)) for each in alone]
    threads.append(threading.Thread(target=write_on))
    for thread in threads:
        thread.start()
    found["awaited"] = asyncio.run(tiny.aembed(texts))
    for thread in threads:
        thread.join()
    assert found.pop("said") == said
    assert found.pop("awaited").tobytes() == alone["last"].tobytes()
    assert {key: value.tobytes() for key, value in found.items()} == {
        key: value.tobytes() for key, value in alone.items()
    }


def test_texts_share_passes_and_leave_nothing(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(pooling="mean")
    vectors = llm.embed(["abcdefgh"] * 20 + ["x"])
    assert vectors.shape == (21, llm.dim)
    assert len(llm.engine.passes) < 10
    assert sum(llm.engine.passes) == 161
    assert llm.engine.sequences == []
    assert llm.engine.kept == []


def test_a_list_takes_bounded_memory(make_llm: MakeLlm) -> None:
    """So many texts are begun that their pages hold 2,048 positions, or one text."""
    llm: Any = make_llm(pooling="last")
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, len(llm.engine.sequences))

    llm.engine.after = look
    llm.embed(["x"] * 100)
    assert 1 < most <= 32


def test_a_chat_model_is_refused_unless_asked(make_llm: MakeLlm) -> None:
    llm = make_llm()
    said = r"fake.gguf: the model was not made for embeddings: the file has no fake.pooling_type; "
    with pytest.raises(UnsupportedError, match=said):
        llm.embed("abc")
    assert llm.pooling is None
    assert llm.embed("abc", pooling="mean").shape == (llm.dim,)
    with pytest.raises(UnsupportedError, match=r"fake.pooling_type is 'rank', expected 'mean'"):
        make_llm(pooling="rank").embed("abc")


@pytest.mark.parametrize(
    ("number", "name"), [(0, None), (1, "mean"), (2, "cls"), (3, "last"), (4, "rank"), (9, "9")]
)
def test_what_files_state(number: int, name: str | None, tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.gguf", keys={"llama.pooling_type": number})
    with LLM(path, threads=1) as llm:
        assert llm.pooling == name


def test_a_pooling_that_is_no_number(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.gguf", keys={"llama.pooling_type": "mean"})
    said = "llama.pooling_type is 'mean', expected a whole number"
    with pytest.raises(FormatError, match=said):
        LLM(path, threads=1)


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        (3, {}, ArgumentTypeError, "texts is 3, expected text, token ids or a list"),
        (b"ab", {}, ArgumentTypeError, "texts is b'ab', expected"),
        (["a", 3], {}, ArgumentTypeError, r"texts\[1\] is 3"),
        ("", {}, ArgumentError, "texts has no tokens"),
        (["a", ""], {}, ArgumentError, r"texts\[1\] has no tokens"),
        ([1, 999], {}, ArgumentError, "token 999"),
        ("a", {"pooling": "max"}, ArgumentError, "pooling is 'max', expected mean or last"),
        ("a", {"normalize": 1}, ArgumentTypeError, "normalize is 1"),
        ("a", {"dimensions": 0}, ArgumentError, "dimensions is 0, expected"),
        ("a", {"dimensions": 13}, ArgumentError, "dimensions is 13, expected"),
        (
            "a",
            {"dimension": 3},
            ArgumentTypeError,
            "unknown embedding option 'dimension'; did you mean dimensions",
        ),
    ],
)
def test_what_is_wrong(
    make_llm: MakeLlm, texts: Any, options: Any, error: type[Error], message: str
) -> None:
    llm: Any = make_llm(pooling="last")
    with pytest.raises(error, match=message):
        llm.embed(texts, **options)
    with pytest.raises(error, match=message):
        asyncio.run(llm.aembed(texts, **options))
    assert llm.engine.passes == []


def test_long_texts_are_not_cut(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(pooling="last", n_ctx=8)
    with pytest.raises(ContextLengthError, match=r"texts\[1\]: the prompt has 9 tokens") as caught:
        llm.embed(["12345678", "123456789"])
    assert (caught.value.needed, caught.value.limit) == (9, 8)
    assert llm.engine.passes == []
    assert llm.embed("12345678").shape == (llm.dim,)


def test_one_that_fails_ends_the_others(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(pooling="last")

    def fail() -> None:
        raise Error("no more")

    llm.engine.before = fail
    with pytest.raises(Error, match="no more"):
        llm.embed(["abc"] * 70)
    llm.engine.before = lambda: None
    assert llm.embed("abc").shape == (llm.dim,)
    assert llm._runtime.scheduler.idle


def test_cancelling_ends_the_work(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(pooling="mean", chunk=4)
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        go_on.wait()

    llm.engine.before = block

    asyncio.run(outlasts_cancelling(lambda: llm.aembed(["abcdefgh"] * 40), entered, go_on))
    llm._runtime.scheduler.call(gc.collect)
    assert len(llm.engine.passes) == 1
    assert llm.engine.sequences == []


def test_closing_ends_it(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(pooling="mean")
    entered = threading.Event()

    def close() -> None:
        if not entered.is_set():
            entered.set()
            threading.Thread(target=llm.close).start()

    llm.engine.before = close
    with pytest.raises(Error, match="the model is closed"):
        llm.embed(["abc"] * 5000)
    with pytest.raises(Error, match="the model is closed"):
        llm.embed("abc")
