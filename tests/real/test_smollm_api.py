"""The Python API on real weights: what it says, and that nothing but the prompt decides it."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import LLM, ContextLengthError

pytestmark = pytest.mark.real

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
STORY = "Once upon a time, in a small village by the sea, there lived"
LONG = STORY * 20  # some 280 tokens: several pages, several pieces


def last_logits(llm: LLM) -> np.ndarray[Any, Any]:
    """The logits after the last token that was read."""
    return llm.engine.logits()[-1]


def test_the_capital_of_france(smollm: LLM) -> None:
    done = smollm.chat(FRANCE, temperature=0, max_tokens=64)
    assert "Paris" in done.text
    assert (done.finish_reason, done.stop_reason) == ("stop", smollm.tokenizer.eos_id)
    assert done.timings.prefill_tokens + done.usage.cached_tokens == done.usage.prompt_tokens
    assert done.timings.decode_tokens_per_s > 0


THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\n{{ '' }}"
)


@pytest.mark.parametrize("speculation", [True, False])
def test_a_reasoning_budget_is_exact(default_model: Path, speculation: bool) -> None:
    """The model never thinks of ending its reasoning: its vocabulary has no token for that."""
    with LLM(default_model, chat_template=THINKS) as llm:
        end = llm.tokenizer.encode("\n</think>\n\n", add_special=False)
        options: Any = {"temperature": 0, "max_tokens": 64, "speculation": speculation}
        options["logit_bias"] = dict.fromkeys(llm.tokenizer.eog_ids, -np.inf)
        free = llm.chat(FRANCE, **options)
        assert (free.usage.reasoning_tokens, free.text) == (64, "")
        for budget in (0, 1, 7, 40):
            answer = llm.chat(FRANCE, reasoning_budget=budget, **options)
            assert answer.usage.reasoning_tokens == budget
            led_out = budget + len(end)
            assert list(answer.token_ids[:led_out]) == [*free.token_ids[:budget], *end]
            # What follows is what the model says to just these tokens.
            prompt = llm.template.encode(FRANCE) if llm.template is not None else []
            rest = llm.generate([*prompt, *answer.token_ids[:led_out]], **{
                **options, "max_tokens": 64 - led_out,
            })  # fmt: skip
            assert answer.token_ids[led_out:] == rest.token_ids


def test_what_it_is(smollm: LLM) -> None:
    assert smollm.architecture == "llama"
    assert smollm.n_vocab == 49152
    assert smollm.n_ctx == smollm.model.n_ctx_train > 0
    assert smollm.template is not None


@pytest.mark.parametrize("temperature", [0, 1])
def test_streaming_says_the_same(smollm: LLM, temperature: float) -> None:
    messages = [{"role": "user", "content": "Say hello in five languages, with an emoji each."}]
    options: dict[str, Any] = {"temperature": temperature, "max_tokens": 60, "seed": 11}
    whole = smollm.chat(messages, **options)
    stream = smollm.chat(messages, stream=True, **options)
    assert "".join(chunk.text for chunk in stream) == whole.text
    assert stream.result().token_ids == whole.token_ids


def test_a_stop_string_ends_the_text(smollm: LLM) -> None:
    whole = smollm.generate(STORY, temperature=0, max_tokens=40).text
    stop = whole[len(whole) // 2 :][:7]
    done = smollm.generate(STORY, temperature=0, max_tokens=40, stop=stop)
    assert done.text == whole.partition(stop)[0]
    assert (done.finish_reason, done.stop_reason) == ("stop", stop)


def test_a_seed_decides_the_text(smollm: LLM) -> None:
    first = smollm.generate(STORY, max_tokens=30, seed=1, temperature=1.0)
    smollm.generate("Something else.", max_tokens=5)
    assert smollm.generate(STORY, max_tokens=30, seed=1, temperature=1.0).text == first.text
    other = smollm.generate(STORY, max_tokens=30, seed=2, temperature=1.0)
    assert other.text != first.text
    again = smollm.generate(STORY, max_tokens=30, seed=other.seed, temperature=1.0)
    assert again.token_ids == other.token_ids


@pytest.mark.parametrize("cut", [1, 64, 65, 128, 200])
def test_a_kept_prefix_changes_no_bit(smollm: LLM, cut: int) -> None:
    tokens = smollm.tokenize(f"{cut}: {LONG}")  # nothing that other tests have read begins so
    assert len(tokens) > 250
    fresh = smollm.session()
    expected = fresh.generate(tokens, max_tokens=1, temperature=0)
    bits = last_logits(smollm)
    fresh.reset()  # else the whole text would be found
    session = smollm.session()
    session.generate([*tokens[:cut], *smollm.tokenize(" something else entirely")], max_tokens=3)
    done = session.generate(tokens, max_tokens=1, temperature=0)
    assert done.usage.cached_tokens == cut
    assert done.token_ids == expected.token_ids
    assert last_logits(smollm).tobytes() == bits.tobytes()


def test_a_second_turn_reads_only_what_is_new(smollm: LLM) -> None:
    chat = smollm.conversation()
    first = chat.ask("What is the capital of France?", temperature=0, max_tokens=40)
    second = chat.ask("And of Italy?", temperature=0, max_tokens=40)
    assert "Rome" in second.text
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    assert second.usage.prompt_tokens - second.usage.cached_tokens < 40


def test_forks_go_their_own_ways(smollm: LLM) -> None:
    session = smollm.session()
    session.generate(LONG, max_tokens=1)
    fork = session.fork()
    texts = {
        name: [
            s.generate(f"{LONG} {name}", temperature=0, max_tokens=12).text
            for s in (branch, smollm.session())
        ]
        for name, branch in (("a king", session), ("a dragon", fork))
    }
    assert all(text == alone for text, alone in texts.values())
    assert fork.generate(LONG, max_tokens=1).usage.cached_tokens > 250


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunk_sizes_change_no_bit(default_model: Path, smollm: LLM, chunk: int) -> None:
    tokens = smollm.tokenize(LONG)[:150]
    with LLM(default_model, chunk=chunk, n_ctx=512) as llm:
        assert llm.logits(tokens).tobytes() == smollm.logits(tokens).tobytes()
        text = llm.generate(tokens, temperature=0, max_tokens=10).text
    assert text == smollm.generate(tokens, temperature=0, max_tokens=10).text


def test_logits(smollm: LLM) -> None:
    tokens = smollm.tokenize("The capital of France is")
    logits = smollm.logits(tokens)
    assert logits.shape == (len(tokens), 49152)
    assert logits.dtype == np.float32
    assert smollm.detokenize([int(logits[-1].argmax())]) == " Paris"
    done = smollm.generate(tokens, temperature=0, max_tokens=1, logprobs=3)
    last = logits[-1].astype(np.float64)
    expected = last - np.log(np.exp(last - last.max()).sum()) - last.max()
    assert done.logprobs is not None
    best = np.argsort(-expected, kind="stable")[:3]
    assert [other.token for other in done.logprobs[0].top] == best.tolist()
    assert [o.logprob for o in done.logprobs[0].top] == pytest.approx(expected[best], abs=1e-4)


def test_a_prompt_over_the_context(default_model: Path) -> None:
    with LLM(default_model, n_ctx=100) as llm:
        n_tokens = len(llm.tokenize(LONG))
        with pytest.raises(ContextLengthError, match=f"{n_tokens} tokens.* 100") as caught:
            llm.generate(LONG)
        assert (caught.value.needed, caught.value.limit) == (n_tokens, 100)
        done = llm.generate(
            STORY, temperature=0, logit_bias=dict.fromkeys(llm.tokenizer.eog_ids, -100)
        )
        assert (done.finish_reason, done.usage.total_tokens) == ("length", 100)


def test_cancelled_and_continued(smollm: LLM) -> None:
    session = smollm.session()
    stream = session.generate(STORY, temperature=0, max_tokens=30, stream=True)
    for _ in range(5):
        next(stream)
    stream.cancel()
    part = stream.result()
    assert part.finish_reason == "cancelled"
    held = session.n_tokens
    assert session.tokens == [*smollm.tokenize(STORY), *part.token_ids][:held]
    whole = session.generate(STORY, temperature=0, max_tokens=30)
    assert whole.text.startswith(part.text)
    assert whole.text == smollm.session().generate(STORY, temperature=0, max_tokens=30).text


def test_ctrl_c_in_a_long_prompt(smollm: LLM, ctrl_c: None) -> None:
    """An interrupt arrives while the core computes, and ends the call with its piece."""
    import _thread

    prompt = (smollm.tokenize(LONG) * 20)[: smollm.n_ctx - 10]
    session = smollm.session()
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        session.generate(prompt, max_tokens=1)
    assert time.perf_counter() - began < 3
    timer.join()
    held = session.tokens
    assert 0 < len(held) < len(prompt)
    assert held == prompt[: len(held)]
    assert session.generate(prompt[:300], max_tokens=1).usage.cached_tokens == min(len(held), 299)


def test_asyncio(smollm: LLM) -> None:
    async def main() -> tuple[str, list[str]]:
        session = smollm.session()
        text = "".join(
            [c.text async for c in session.achat(FRANCE, temperature=0, max_tokens=40, stream=True)]
        )
        never = dict.fromkeys(smollm.tokenizer.eog_ids, float("-inf"))  # it may not end before
        task = asyncio.create_task(session.agenerate(LONG, max_tokens=500, logit_bias=never))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await session.agenerate(LONG, max_tokens=1)).usage.completion_tokens == 1
        calls = [smollm.agenerate(f"{STORY} {n}", seed=n, max_tokens=10) for n in range(3)]
        return text, [done.text for done in await asyncio.gather(*calls)]

    text, texts = asyncio.run(main())
    assert "Paris" in text
    assert texts == [smollm.generate(f"{STORY} {n}", seed=n, max_tokens=10).text for n in range(3)]


def test_the_readmes_question_without_options(smollm: LLM) -> None:
    """The default model is asked greedily, so that no seed makes a wrong answer of it."""
    assert smollm.sampling.temperature == 0
    assert smollm.sampling_source is not None
    answers = {smollm.chat(FRANCE, max_tokens=64, seed=seed).text for seed in range(20)}
    assert len(answers) == 1
    assert "Paris" in answers.pop()
    assert "Paris" in smollm.conversation().ask(FRANCE[0]["content"], max_tokens=64).text
