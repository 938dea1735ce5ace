"""What `pestle.engine` relies on, of the core's engine and of the fake that stands in its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pestle import ContextLengthError, Error, _core
from pestle.engine.loaded import Choice

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES
from tests.unit.engine.parts import windowed_parts

from .conftest import FakeEngine, FakeSampler

N_CTX, WINDOW = 1500, 100
TEXT = [(7 * i * i + 3 * i) % 97 for i in range(N_CTX + 1)]
PLAIN = {
    "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "repeat_last_n": 64,
    "frequency_penalty": 0.0, "presence_penalty": 0.0, "seed": 1, "logit_bias": None,
}  # fmt: skip


@dataclass
class Subject:
    """An engine, one whose layers have windows, and what samples of their logits."""

    make: Callable[[], Any]
    make_windowed: Callable[[], Any]
    sampler: Callable[..., Any]

    @property
    def greedy(self) -> Any:
        return self.sampler(**PLAIN, temperature=0.0)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder, case = tmp_path_factory.mktemp("contract"), CASES["llama-tied"]
    gguf_file.write(folder / "tiny.gguf", case, checkpoints.weights(case), "Q8_0")
    windowed_parts(WINDOW).write(folder / "windowed.gguf")
    plain, windowed = (
        _core.Model(folder / f"{name}.gguf", threads=1) for name in ("tiny", "windowed")
    )

    def made(model: _core.Model) -> _core.Engine:
        return _core.Engine(model, n_ctx=N_CTX, threads=1, prefix_cache=1 << 30)

    return Subject(lambda: made(plain), lambda: made(windowed), _core.Sampler)


@pytest.fixture(params=["core", "fake"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "core":
        found: Subject = request.getfixturevalue("real")
        return found
    return Subject(
        lambda: FakeEngine(n_ctx=N_CTX, chunk=N_CTX),
        lambda: FakeEngine(n_ctx=N_CTX, chunk=N_CTX, slack=WINDOW, reach=WINDOW),
        FakeSampler,
    )


@pytest.fixture
def engine(subject: Subject) -> Any:
    return subject.make()


def read(engine: Any, tokens: Sequence[int], logits: str = "none", **options: bool) -> Any:
    """A sequence of `tokens`."""
    sequence = engine.sequence(**options)
    engine.step([(sequence, list(tokens), logits)])
    return sequence


def after(engine: Any, sequence: Any, tokens: Sequence[int]) -> bytes:
    """The bits of the logits behind `tokens`."""
    assert engine.step([(sequence, list(tokens), "last")]) == 1
    return bytes(engine.logits()[0].tobytes())


def fresh(engine: Any, tokens: Sequence[int]) -> bytes:
    return after(engine, engine.sequence(), tokens)


def choice(sampler: Any, sequence: Any, row: int = 0, **others: Any) -> Choice:
    given = {"draft": [], "n_logprobs": 0, "masks": None, "forced": None} | others
    return Choice(sampler, sequence, row, **given)  # type: ignore[arg-type]


def mask(n_vocab: int, *allowed: int) -> NDArray[np.uint32]:
    words = np.zeros((n_vocab + 31) // 32, np.uint32)
    for token in allowed:
        words[token // 32] |= np.uint32(1 << token % 32)
    return words


def tokens_of(chosen: Any) -> list[int]:
    assert not isinstance(chosen, BaseException), chosen
    return [each.token for each in chosen]


def greedy_answer(subject: Subject, engine: Any, tokens: Sequence[int], n: int) -> list[int]:
    """What follows `tokens`, one token a pass."""
    sequence, said = engine.sequence(), list[int]()
    new = list(tokens)
    for _ in range(n):
        engine.step([(sequence, new, "last")])
        [chosen] = engine.choose([choice(subject.greedy, sequence)])
        new = tokens_of(chosen)
        said += new
    return said


def test_which_tokens_have_logits(engine: Any) -> None:
    """Rows are in the order of the entries, and what each is does not depend on company."""
    several = [engine.sequence() for _ in range(4)]
    pieces = [TEXT[:5], TEXT[5:6], TEXT[6:9], TEXT[9:12]]
    batch = list(zip(several, pieces, ("all", "last", "none", "last"), strict=True))
    assert engine.step(batch) == 5 + 1 + 0 + 1
    rows = engine.logits()
    assert (rows.dtype, len(rows)) == (np.float32, 7)
    assert [sequence.tokens for sequence in several] == pieces
    assert [sequence.n_tokens for sequence in several] == [5, 1, 3, 3]
    alone = [*(TEXT[: n + 1] for n in range(5)), TEXT[5:6], TEXT[9:12]]
    assert [row.tobytes() for row in rows] == [fresh(engine, tokens) for tokens in alone]
    assert engine.step([(several[0], [3], "none")]) == 0
    assert after(engine, several[2], [7]) == fresh(engine, [*pieces[2], 7])


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_poolers_take_hidden_states(engine: Any, pooling: str) -> None:
    """No logits come of their tokens; the vector depends neither on pieces nor on company."""

    def vector(pieces: Sequence[int], **options: Any) -> NDArray[np.float32]:
        pooler, sequence, other = engine.pooler(pooling), engine.sequence(), engine.sequence()
        for begin, end in zip([0, *pieces], [*pieces, 30], strict=True):
            batch = [(other, TEXT[begin:end], "last"), (sequence, TEXT[begin:end], pooler)]
            assert engine.step(batch) == 1
        found: NDArray[np.float32] = pooler.vector(**options)
        return found

    whole = vector([], normalized=False)
    assert whole.dtype == np.float32
    assert whole.shape == (engine.dim,)
    assert vector([1, 17], normalized=False).tobytes() == whole.tobytes()
    cut = whole[:5] / np.linalg.norm(whole[:5])
    np.testing.assert_allclose(vector([4], dimensions=5), cut, rtol=1e-6)


def test_a_step_that_fails_changes_nothing(engine: Any) -> None:
    full, other = read(engine, TEXT[: N_CTX - 1]), read(engine, TEXT[:4], "last")
    logits = engine.logits().tobytes()
    with pytest.raises(ContextLengthError):
        engine.step([(other, [1], "last"), (full, [1, 2], "last")])
    with pytest.raises(ValueError, match="twice"):
        engine.step([(other, [1], "last"), (other, [2], "last")])
    assert (full.n_tokens, other.tokens) == (N_CTX - 1, TEXT[:4])
    assert engine.logits().tobytes() == logits
    engine.step([(full, [1], "last")])
    assert full.n_tokens == N_CTX


def test_the_likeliest_token_is_chosen(subject: Subject, engine: Any) -> None:
    one, other = read(engine, TEXT[:9]), read(engine, TEXT[:7])
    engine.step([(one, [5], "last"), (other, [6], "last")])
    rows = engine.logits().astype(np.float64)
    chosen = engine.choose([
        choice(subject.greedy, other, 1, n_logprobs=3), choice(subject.greedy, one, 0)
    ])  # fmt: skip
    assert [tokens_of(each) for each in chosen] == [[rows[1].argmax()], [rows[0].argmax()]]
    best = np.argsort(-rows[1])[:3]
    expected = rows[1] - rows[1].max()
    expected -= math.log(np.exp(expected).sum())
    assert [token for token, _ in chosen[0][0].top] == best.tolist()
    assert [p for _, p in chosen[0][0].top] == pytest.approx(expected[best], abs=1e-5)
    assert chosen[0][0].logprob == pytest.approx(expected[best[0]], abs=1e-5)
    assert (math.isnan(chosen[1][0].logprob), chosen[1][0].top) == (True, [])
    assert (one.n_tokens, other.n_tokens) == (10, 8)


@pytest.mark.parametrize("right", [0, 1, 3])
def test_drafts_count_as_far_as_they_are_right(subject: Subject, engine: Any, right: int) -> None:
    """The sequence then ends before the first token that was not guessed, which is chosen."""
    first, *said = greedy_answer(subject, engine, TEXT[:6], 5)
    draft = said[:3]
    if right < 3:
        draft[right] = (draft[right] + 1) % 97
    sequence = read(engine, TEXT[:6])
    assert engine.step([(sequence, [first, *draft], "all")]) == 4
    [chosen] = engine.choose([choice(subject.greedy, sequence, draft=draft)])
    assert tokens_of(chosen) == said[: right + 1]
    assert sequence.tokens == [*TEXT[:6], first, *said[:right]]
    assert after(engine, sequence, [3]) == fresh(engine, [*TEXT[:6], first, *said[:right], 3])


def test_masks_say_what_may_come(subject: Subject, engine: Any) -> None:
    sequence = engine.sequence()
    engine.step([(sequence, [*TEXT[:6], 11, 12], "all")])
    n_vocab = engine.logits().shape[1]
    masks = [mask(n_vocab, 11), mask(n_vocab, 12, 13), mask(n_vocab, 14)]
    row = engine.logits()[6].astype(np.float64)
    second = max((12, 13), key=lambda token: float(row[token]))
    [chosen] = engine.choose([
        choice(subject.greedy, sequence, 5, draft=[11, 12], masks=masks)
    ])  # fmt: skip
    assert tokens_of(chosen) == ([11, 12, 14] if second == 12 else [11, 13])
    assert sequence.n_tokens == (8 if second == 12 else 7)


def test_a_row_without_a_mask_ends_the_choice(subject: Subject, engine: Any) -> None:
    sequence = engine.sequence()
    engine.step([(sequence, [*TEXT[:6], 11, 12], "all")])
    masks = [mask(engine.logits().shape[1], 11)]
    [chosen] = engine.choose([
        choice(subject.greedy, sequence, 5, draft=[11, 12], masks=masks)
    ])  # fmt: skip
    assert tokens_of(chosen) == [11]
    assert sequence.tokens == TEXT[:6]


def test_what_cannot_be_chosen_is_an_error_in_its_place(subject: Subject, engine: Any) -> None:
    """Of the first row; a later one ends the choice. Other sequences hear nothing of it."""
    bad, good, late = (engine.sequence() for _ in range(3))
    batch = [(bad, [1, 2], "all"), (good, [3], "last"), (late, [4, 11], "all")]
    assert engine.step(batch) == 5
    n_vocab = engine.logits().shape[1]
    nothing, eleven = mask(n_vocab), mask(n_vocab, 11)
    failed, chosen, ended = engine.choose([
        choice(subject.greedy, bad, 0, draft=[2], masks=[nothing, eleven]),
        choice(subject.greedy, good, 2, masks=[eleven]),
        choice(subject.greedy, late, 3, draft=[11], masks=[eleven, nothing]),
    ])  # fmt: skip
    assert isinstance(failed, Error)
    assert bad.tokens == [1, 2]
    assert tokens_of(chosen) == tokens_of(ended) == [11]
    assert late.tokens == [4]


def test_a_forced_token_comes(subject: Subject, engine: Any) -> None:
    sequence = read(engine, TEXT[:6], "last")
    row = engine.logits()[0].astype(np.float64)
    [chosen] = engine.choose([choice(subject.greedy, sequence, n_logprobs=1, forced=42)])
    assert tokens_of(chosen) == [42]
    shifted = row - row.max()
    expected = shifted[42] - math.log(np.exp(shifted).sum())
    assert chosen[0].logprob == pytest.approx(expected, abs=1e-5)


def test_draws_depend_on_the_seed_and_the_position(subject: Subject, engine: Any) -> None:
    sampler = subject.sampler(**PLAIN | {"seed": 7}, temperature=50.0)
    other = subject.sampler(**PLAIN | {"seed": 8}, temperature=50.0)
    several = [read(engine, TEXT[:n]) for n in (30, 30, 30)]
    engine.step([(sequence, TEXT[30:38], "all") for sequence in several])

    def drawn(sampler: Any, first: int) -> list[int]:
        rows = range(first, first + 8)
        found = [engine.choose([choice(sampler, several[first // 8], row)]) for row in rows]
        return [tokens_of(each)[0] for [each] in found]

    assert drawn(sampler, 0) == drawn(sampler, 8)
    assert drawn(sampler, 0) != drawn(other, 16)


def test_scores_are_log_probabilities(engine: Any) -> None:
    read(engine, TEXT[:6], "all")
    rows = engine.logits().astype(np.float64)[2:5]
    best = rows.argmax(axis=1)
    targets = [int(best[0]), int((best[1] + 1) % 97), int(best[2])]
    scored = engine.score(2, targets, 2)
    expected = rows - rows.max(axis=1, keepdims=True)
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    assert [each.greedy for each in scored] == [True, False, True]
    given = [expected[row, target] for row, target in enumerate(targets)]
    assert [each.logprob for each in scored] == pytest.approx(given, abs=1e-5)
    likeliest = np.argsort(-expected, axis=1)[:, :2].tolist()
    assert [[token for token, _ in each.top] for each in scored] == likeliest
    assert engine.score(2, targets)[0].top == []
    for row, target in ((6, 0), (5, 10**6)):
        with pytest.raises(IndexError):
            engine.score(row, [target])


def test_sequences_fork_and_are_cut(engine: Any) -> None:
    sequence = read(engine, TEXT[:90])
    assert [sequence.reusable(n) for n in (0, 1, 64, 90)] == [0, 1, 64, 90]
    branch = sequence.fork(50)
    sequence.mark()
    sequence.truncate(70)
    assert (sequence.tokens, branch.tokens) == (TEXT[:70], TEXT[:50])
    assert after(engine, branch, [9, 8]) == fresh(engine, [*TEXT[:50], 9, 8])
    assert after(engine, sequence, [5]) == fresh(engine, [*TEXT[:70], 5])
    for cut in (sequence.truncate, sequence.fork, sequence.reusable):
        with pytest.raises(IndexError):
            cut(72)
    assert sequence.n_tokens == 71


def test_what_windows_have_left_cannot_be_cut_back_to(subject: Subject) -> None:
    engine = subject.make_windowed()
    sequence = read(engine, TEXT[:1000])
    assert [sequence.reusable(n) for n in (1000, 50, 0)] == [1000, 0, 0]
    for cut in (sequence.truncate, sequence.fork):
        with pytest.raises(ValueError, match="window"):
            cut(50)
    assert sequence.tokens == TEXT[:1000]
    sequence.truncate(0)
    assert after(engine, sequence, TEXT[:20]) == fresh(engine, TEXT[:20])


def test_texts_are_kept_and_found(engine: Any) -> None:
    assert engine.find(TEXT[:9]) == (0, 0, [])
    sequence = read(engine, TEXT[:200], remembered=True)
    sequence.mark()
    engine.keep(sequence)
    other = [*TEXT[:150], 98, 99]
    n_tokens, reusable, following = engine.find(other)
    assert (n_tokens, reusable) == (150, 150)
    assert following
    assert following == TEXT[150 : 150 + len(following)]
    again = engine.recall(other, 150)
    assert again.tokens == TEXT[:150]
    assert after(engine, again, other[150:]) == fresh(engine, other)
    with pytest.raises(ValueError, match="more than was kept"):
        engine.recall(other, 151)
    del again
    engine.forget(sequence)
    assert engine.find(other)[1] == 0
    assert sequence.n_tokens == 200


def test_windows_have_left_part_of_what_was_kept(subject: Subject) -> None:
    """How far a text is known and how far it can be used are two things."""
    engine = subject.make_windowed()
    sequence = read(engine, TEXT[:400])
    engine.keep(sequence)
    n_tokens, reusable, _ = engine.find(TEXT[:450])
    assert (n_tokens, reusable) == (400, 400)
    n_tokens, reusable, _ = engine.find([*TEXT[:30], 98])
    assert reusable <= n_tokens == 30


def test_pages_are_restored(engine: Any) -> None:
    tokens = TEXT[:150]
    sequence = read(engine, tokens)
    assert [window for window, _ in engine.kv_groups] == [0] * len(engine.kv_groups)
    [first] = sequence.first_pages(150)
    assert first == 0
    held = {}
    for index in range(first, 150):
        if (page := sequence.page(0, index)) is None:
            break
        held[0, index] = page
    [(_, most)] = engine.kv_groups
    assert all(len(page) <= most for page in held.values())
    again = engine.restore(tokens, lambda group, index: held.get((group, index)))
    assert again.tokens == tokens
    assert after(engine, again, [9]) == fresh(engine, [*tokens, 9])
    with pytest.raises(ValueError, match="is missing"):
        engine.restore(tokens, lambda group, index: None)
    with pytest.raises(ContextLengthError):
        engine.restore(TEXT, lambda group, index: held.get((group, index)))
