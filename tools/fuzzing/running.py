"""What is done with a model file, as users do it: look at it, load it, run it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from pestle import LLM
from pestle._core import GgufFile, Sampler, gguf_extent
from pestle.errors import Error
from pestle.gguf import describe
from pestle.llm.loading import load
from pestle.options import EngineOptions

_KV_TYPES = ("f16", "f32", "q8_0", "q8_0/f16", "f32/q8_0")
_SEVERAL = 80  # tokens: more than a page of keys and values


def read_everything(path: Path) -> None:
    """Open a file, convert all its metadata and look at all its data; check what was promised."""
    file = GgufFile(path)
    for key in file.keys():  # noqa: SIM118 - no mapping
        file[key]
    for tensor in file.tensors:
        assert tensor.name.isprintable()
        assert tensor.name.isascii()
        assert all(tensor.shape)
        data = file.read(tensor.name)
        assert data.size == tensor.nbytes > 0
        data.max()
    for before, after in pairwise(file.tensors):
        assert before.shard < after.shard or before.offset + before.nbytes <= after.offset
    if file.tensors:
        last = file.tensors[-1]
        assert last.offset + last.nbytes <= file.size
    describe(path)
    if len(file.paths) == 1:
        _from_afar(file, path.read_bytes())


def _from_afar(file: GgufFile, data: bytes) -> None:
    """What is told of a file that is elsewhere is what it says here."""
    header, end = gguf_extent(data, len(data), "model.gguf")
    far = GgufFile.of_headers([(file.path, data[:header], len(data))])
    assert far.keys() == file.keys()
    assert [(t.name, t.offset) for t in far.tensors] == [(t.name, t.offset) for t in file.tensors]
    assert header <= end <= len(data)
    assert gguf_extent(data[: header - 1], len(data), "model.gguf")[0] >= header


def run_model(path: Path, rng: Random) -> None:
    """Load a model and do all kinds of things with it. What one of them refuses, others may not.

    The first refusal is raised when all were tried.
    """
    options = EngineOptions(
        n_ctx=rng.choice([0, 0, 128, 128, 1, 65]),
        threads=1,
        threads_prefill=1,
        kv_type=rng.choice(_KV_TYPES),
        chunk=rng.choice([1, 7, 64, 512]),
        prefix_cache=rng.choice([0, 1 << 20]),
    )
    with LLM.from_loaded(load(path, options, seed=1)) as llm:
        actions = rng.sample(_ACTIONS, 3)
        refusals = [error for action in actions if (error := _refusal(action, llm, rng))]
    if refusals:
        raise refusals[0]


def _refusal(action: Callable[[LLM, Random], None], llm: LLM, rng: Random) -> Error | None:
    try:
        action(llm, rng)
    except Error as error:
        return error
    return None


def _tokens(llm: LLM, rng: Random, n: int) -> list[int]:
    return [rng.randrange(min(llm.n_vocab, llm.tokenizer.n_vocab)) for _ in range(n)]


def _steps(llm: LLM, rng: Random) -> None:
    """Several sequences in one step, forked, cut and sampled."""
    engine = llm.engine
    first, second = engine.sequence(), engine.sequence()
    n = min(rng.choice([3, _SEVERAL]), llm.n_ctx)
    engine.step([(first, _tokens(llm, rng, n))], "last")
    rows = engine.logits()
    assert rows.shape == (1, llm.n_vocab)
    fork = first.fork(first.reusable(max(1, n - 1)))
    batch = [(second, _tokens(llm, rng, 1)), (fork, _tokens(llm, rng, 1))]
    engine.step(batch, "all")
    assert engine.logits().shape == (2, llm.n_vocab)
    mask = np.full(-(-llm.n_vocab // 32), 0xFFFFFFFF, np.uint32)
    sampler = Sampler(
        temperature=rng.choice([0.0, 0.8, 100.0]),
        top_k=rng.choice([0, 1, 40]),
        top_p=rng.choice([0.1, 0.95, 1.0]),
        seed=1,
        logit_bias={0: rng.choice([float("-inf"), 5.0])},
    )
    sampled = sampler.sample(engine, 1, [1, 2], 3, mask if rng.random() < 0.5 else None)
    assert 0 <= sampled.token < llm.n_vocab


def _prefixes(llm: LLM, rng: Random) -> None:
    """Text that begins as one before it does, which is kept or restored."""
    engine = llm.engine
    tokens = _tokens(llm, rng, min(_SEVERAL, llm.n_ctx))
    sequence = engine.sequence()
    engine.step([(sequence, tokens)], "last")
    engine.keep(sequence)
    before = engine.logits()
    del sequence
    common, reusable, _ = engine.find(tokens)
    assert common <= len(tokens)
    kept = engine.recall(tokens, min(reusable, len(tokens) - 1)) if reusable else engine.sequence()
    engine.step([(kept, tokens[kept.n_tokens :])], "last")
    after = engine.logits()
    unequal = after.view(np.uint32) != before.view(np.uint32)
    assert not (unequal & ~(np.isnan(after) & np.isnan(before))).any(), (
        "a kept prefix changes logits"
    )


def _generation(llm: LLM, rng: Random) -> None:
    prompt = _tokens(llm, rng, min(rng.choice([1, 5, 20]), llm.n_ctx))
    answer = llm.generate(
        prompt,
        max_tokens=rng.choice([1, 4, 12]),
        temperature=rng.choice([0.0, 1.0]),
        repeat_penalty=rng.choice([1.0, 1.3]),
        logprobs=rng.choice([None, 2]),
        speculation=rng.random() < 0.5,
        seed=3,
    )
    llm.detokenize(answer.token_ids)


def _chat(llm: LLM, rng: Random) -> None:
    if llm.template is None:
        return
    messages = [{"role": "user", "content": rng.choice(["hi", "<|im_end|>", "\u00e9 \U0001f469"])}]
    if llm.template.encode(messages):  # a template may write nothing
        llm.chat(messages, max_tokens=4, seed=1)


def _scores(llm: LLM, rng: Random) -> None:
    if llm.n_ctx > 1:
        llm.score(_tokens(llm, rng, min(9, llm.n_ctx)), logprobs=1)


def _texts(llm: LLM, rng: Random) -> None:
    text = rng.choice(["the thing", "\u00e9\u00e9  \n", "<|im_start|>the 12", "\U0001f469\u200d"])
    tokens = llm.tokenize(text, parse_special=rng.random() < 0.5)
    llm.detokenize(tokens)
    for token in range(0, llm.tokenizer.n_vocab, 7):
        llm.tokenizer.token_bytes(token)


_ACTIONS = [_steps, _steps, _prefixes, _generation, _generation, _chat, _scores, _texts]
