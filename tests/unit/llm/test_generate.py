"""`LLM.generate` and `LLM.chat`: text, reasons to end, usage, seeds, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pestle import (
    LLM,
    ChatCompletion,
    Completion,
    ContextLengthError,
    FormatError,
    TemplateError,
)
from pestle.options import Sampling, decide, sampling_of_file

MakeLlm = Callable[..., LLM]
PROMPT = "\x02"
HELLO = [{"role": "user", "content": "Hello"}]


def test_answers_until_the_model_ends(make_llm: MakeLlm) -> None:
    done = make_llm("Grüße! 🙂").generate(PROMPT, temperature=0)
    assert isinstance(done, Completion)
    assert done.text == "Grüße! 🙂"
    assert bytes(done.token_ids) == "Grüße! 🙂".encode()
    assert (done.finish_reason, done.stop_reason) == ("stop", 257)
    assert done.usage.prompt_tokens == 1
    assert done.usage.completion_tokens == len(done.token_ids)
    assert done.usage.total_tokens == 1 + len(done.token_ids)


def test_max_tokens_ends_it(make_llm: MakeLlm) -> None:
    done = make_llm("abcdef").generate(PROMPT, temperature=0, max_tokens=3)
    assert (done.text, done.finish_reason, done.stop_reason) == ("abc", "length", None)


def test_no_tokens_only_reads_the_prompt(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("abc")
    done = llm.generate(PROMPT * 5, max_tokens=0)
    assert (done.text, done.token_ids, done.finish_reason) == ("", (), "length")
    assert llm.engine.passes == [5]
    assert llm.generate(PROMPT * 5 + "x", max_tokens=0).usage.cached_tokens == 5


def test_a_character_cut_off_by_the_limit_is_marked(make_llm: MakeLlm) -> None:
    done = make_llm("é").generate(PROMPT, temperature=0, max_tokens=1)
    assert done.text == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("stop", ["gh", ["zz", "gh"], ("efgh", "gh")])
def test_stop_strings_are_cut_off(make_llm: MakeLlm, stop: Any) -> None:
    done = make_llm("abcdefghij").generate(PROMPT, temperature=0, stop=stop)
    first = "efgh" if "efgh" in stop else "gh"
    assert done.text == "abcdefghij".partition(first)[0]
    assert (done.finish_reason, done.stop_reason) == ("stop", first)


def test_half_a_stop_string_is_text(make_llm: MakeLlm) -> None:
    done = make_llm("abcd").generate(PROMPT, temperature=0, stop="cde")
    assert (done.text, done.stop_reason) == ("abcd", 257)


def test_the_context_ends_an_answer(make_llm: MakeLlm) -> None:
    done = make_llm("ab", end=False, n_ctx=20).generate("x" * 15 + PROMPT, temperature=0)
    assert (done.text, done.finish_reason) == ("abab", "length")
    assert done.usage.total_tokens == 20


def test_a_prompt_that_fills_the_context_leaves_no_room(make_llm: MakeLlm) -> None:
    done = make_llm("ab", n_ctx=20).generate("x" * 20)
    assert (done.text, done.finish_reason, done.usage.prompt_tokens) == ("", "length", 20)


def test_a_longer_prompt_is_refused_before_any_work(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("ab", n_ctx=20)
    for call in (llm.generate, llm.logits, lambda p: llm.generate(p, stream=True)):
        with pytest.raises(ContextLengthError, match=r"21 tokens.* 20") as caught:
            call("x" * 21)
        assert (caught.value.needed, caught.value.limit) == (21, 20)
    assert llm.engine.passes == []


def test_token_ids_are_a_prompt_too(llm: LLM) -> None:
    as_text = llm.generate("hello", max_tokens=8, seed=1)
    assert llm.generate(list(b"hello"), max_tokens=8, seed=1).text == as_text.text
    assert llm.generate(np.array(list(b"hello")), max_tokens=8, seed=1).text == as_text.text  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("prompt", "why"),
    [("", "no tokens"), ([], "no tokens"), ([1, 259], "token 259"), ([-1], "token -1")],
)
def test_prompts_that_are_none(llm: LLM, prompt: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        llm.generate(prompt)


def test_special_tokens_in_a_prompt(llm: LLM) -> None:
    assert llm.generate("<|im_end|>", max_tokens=1).usage.prompt_tokens == 10
    done = llm.generate("<|im_end|>", max_tokens=1, parse_special=True)
    assert done.usage.prompt_tokens == 1


def test_a_seed_decides_the_text(llm: LLM, make_llm: MakeLlm) -> None:
    first = llm.generate("once", max_tokens=30, seed=7)
    assert llm.generate("once", max_tokens=30, seed=7).text == first.text
    assert make_llm(chunk=1).generate("once", max_tokens=30, seed=7).text == first.text
    assert llm.generate("once", max_tokens=30, seed=8).text != first.text


def test_a_drawn_seed_is_reported(llm: LLM) -> None:
    first = llm.generate("once", max_tokens=30)
    second = llm.generate("once", max_tokens=30)
    assert first.seed != second.seed
    assert llm.generate("once", max_tokens=30, seed=first.seed).text == first.text


def test_a_seed_for_all_calls(make_llm: MakeLlm) -> None:
    llm = make_llm(seed=5)
    assert llm.generate("once", max_tokens=4).seed == 5
    assert llm.generate("once", max_tokens=4, seed=6).seed == 6


def test_unused_tokens_are_never_chosen(make_llm: MakeLlm) -> None:
    def wants_the_unused_one(tokens: list[int]) -> Any:
        logits = np.zeros(259, np.float32)
        logits[258], logits[ord("k")] = 30, 20
        return logits

    llm = make_llm(model=wants_the_unused_one)
    assert llm.generate("x", temperature=0, max_tokens=3).text == "kkk"
    done = llm.generate("x", temperature=0, max_tokens=3, logit_bias={258: 99, ord("z"): 25})
    assert done.text == "zzz"


def test_padding_of_the_vocabulary_is_never_chosen(make_llm: MakeLlm) -> None:
    """An embedding may have more rows than there are tokens."""

    def wants_padding(tokens: list[int]) -> Any:
        logits = np.zeros(262, np.float32)
        logits[261], logits[ord("k")] = 30, 20
        return logits

    done = make_llm(model=wants_padding, n_vocab=262).generate(
        "x", temperature=0, max_tokens=3, logprobs=1
    )
    assert done.text == "kkk"
    assert done.logprobs is not None
    assert (done.logprobs[0].top[0].token, done.logprobs[0].top[0].piece) == (261, b"")


def test_sampling_reaches_the_sampler(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(sampling=Sampling(temperature=0.3, top_k=7))
    llm.generate("x", max_tokens=1, top_p=0.5, repeat_penalty=1.1, top_k=None)
    (sampler,) = llm.engine.runtime.samplers
    assert sampler.temperature == 0.3
    assert sampler.others == {
        "top_k": 7,
        "top_p": 0.5,
        "min_p": 0.05,
        "repeat_penalty": 1.1,
        "repeat_last_n": 64,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
    }


def test_logprobs(make_llm: MakeLlm) -> None:
    llm = make_llm("aé")
    assert llm.generate(PROMPT, temperature=0).logprobs is None
    done = llm.generate(PROMPT, temperature=0, logprobs=2)
    assert done.logprobs is not None
    assert [entry.token for entry in done.logprobs] == list(done.token_ids)
    assert b"".join(entry.piece for entry in done.logprobs) == "aé".encode()
    assert all(entry.logprob == entry.top[0].logprob for entry in done.logprobs)
    assert [len(entry.top) for entry in done.logprobs] == [2, 2, 2]
    assert done.logprobs[0].logprob == pytest.approx(-258 * math.exp(-20), abs=1e-9)
    none = llm.generate(PROMPT, temperature=0, logprobs=0).logprobs
    assert none is not None
    assert (none[0].logprob, none[0].top) == (done.logprobs[0].logprob, ())


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_k": 2**31}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.01}, "top_p"),
        ({"min_p": -0.5}, "min_p"),
        ({"min_p": 2}, "min_p"),
        ({"repeat_penalty": 0.0}, "repeat_penalty"),
        ({"repeat_last_n": -2}, "repeat_last_n"),
        ({"repeat_last_n": 2**33}, "repeat_last_n"),
        ({"frequency_penalty": math.inf}, "frequency_penalty"),
        ({"presence_penalty": math.nan}, "presence_penalty"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"logprobs": 260}, "logprobs"),
        ({"logit_bias": {259: 1.0}}, "logit_bias"),
        ({"logit_bias": {-1: 1.0}}, "logit_bias"),
        ({"logit_bias": {1: math.inf}}, "logit_bias"),
        ({"logit_bias": {1: math.nan}}, "logit_bias"),
        ({"logit_bias": {1: 3.5e38}}, "logit_bias"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", ""]}, "stop"),
    ],
)
@pytest.mark.parametrize("call", ["generate", "agenerate"])
@pytest.mark.parametrize("stream", [False, True])
def test_options_out_of_range(
    llm: Any, options: dict[str, Any], name: str, call: str, stream: bool
) -> None:
    with pytest.raises(ValueError, match=name):
        getattr(llm, call)("x", stream=stream, **options)
    assert llm.engine.passes == []


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_tokens": 2.5}, "max_tokens"),
        ({"max_tokens": 3.0}, "max_tokens"),
        ({"max_tokens": "3"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"top_k": 1.5}, "top_k"),
        ({"top_k": np.array([1, 2])}, "top_k"),
        ({"repeat_last_n": False}, "repeat_last_n"),
        ({"seed": 1.5}, "seed"),
        ({"logprobs": 1.5}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": [0.5]}, "top_p"),
        ({"stop": [1]}, "stop: 1 is not a string"),
        ({"stop": ["a", None]}, "stop: None is not a string"),
        ({"stop": b"x"}, "stop"),
        ({"stop": 5}, "stop"),
        ({"logit_bias": {1.5: 1.0}}, "logit_bias: token is 1.5"),
        ({"logit_bias": {1: "much"}}, "logit_bias: token 1 is 'much'"),
        ({"logit_bias": [(1, 1.0)]}, "logit_bias"),
    ],
)
@pytest.mark.parametrize("call", ["generate", "agenerate"])
@pytest.mark.parametrize("stream", [False, True])
def test_options_of_the_wrong_type(
    llm: Any, options: dict[str, Any], name: str, call: str, stream: bool
) -> None:
    with pytest.raises(TypeError, match=name):
        getattr(llm, call)("x", stream=stream, **options)
    assert llm.engine.passes == []


def test_integers_of_other_types_are_integers(llm: LLM) -> None:
    options: dict[str, Any] = {
        "max_tokens": np.int64(3),
        "top_k": np.int32(2),
        "seed": np.uint64(2**64 - 1),
        "logprobs": np.int8(1),
        "temperature": np.float32(0.5),
        "logit_bias": {np.int64(ord("a")): np.float32(1)},
    }
    done = llm.generate("x", **options)
    assert (len(done.token_ids), done.seed, type(done.seed)) == (3, 2**64 - 1, int)


def test_the_whole_context_counts_for_the_penalties() -> None:
    request = decide({"repeat_last_n": -1}, Sampling(), n_vocab=9)
    assert request.sampling.repeat_last_n == -1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n_ctx": 2.5}, TypeError),
        ({"threads": True}, TypeError),
        ({"n_ctx": -1}, ValueError),
        ({"threads_prefill": 2**40}, ValueError),
        ({"chunk": 0}, ValueError),
        ({"seed": "1"}, TypeError),
        ({"seed": 2**64}, ValueError),
        ({"kv_type": "f8"}, ValueError),
        ({"kv_type": "q8_0/"}, ValueError),
        ({"kv_type": "q8_0/f8"}, ValueError),
    ],
)
def test_an_llm_checks_its_options_before_it_looks_for_the_model(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(options))):
        LLM("there/is/no/such.gguf", offline=True, **options)


def test_an_unknown_option(llm: Any) -> None:
    with pytest.raises(TypeError, match="max_length"):
        llm.generate("x", max_length=3)


def test_defaults_of_a_file() -> None:
    file = {"general.sampling.temp": 0.6, "general.sampling.top_k": 20}
    assert sampling_of_file(file.get) == Sampling(temperature=0.6, top_k=20)
    whole = {"general.sampling.penalty_last_n": -1, "general.sampling.penalty_repeat": 1.05}
    assert sampling_of_file(whole.get) == Sampling(repeat_last_n=-1, repeat_penalty=1.05)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temp", "warm"),
        ("temp", -1.0),
        ("top_k", 0.5),
        ("top_k", 2**31),
        ("penalty_last_n", 2**33),
        ("penalty_last_n", -2),
        ("top_p", True),
    ],
)
def test_faulty_defaults_of_a_file(key: str, value: Any) -> None:
    with pytest.raises(FormatError, match=r"general\.sampling"):
        sampling_of_file({f"general.sampling.{key}": value}.get)


def test_chat(make_llm: MakeLlm) -> None:
    llm = make_llm("Hi there")
    done = llm.chat(HELLO, temperature=0)
    assert isinstance(done, ChatCompletion)
    assert done.message == {"role": "assistant", "content": "Hi there"}
    rendered = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert done.usage.prompt_tokens == len(llm.tokenize(rendered, parse_special=True)) == 24


def test_the_space_before_a_text(make_llm: MakeLlm) -> None:
    """SentencePiece puts one before every text: before an answer, not before a continuation."""
    llm: Any = make_llm(" Paris")
    llm.tokenizer.strips_space = True
    assert llm.chat(HELLO, temperature=0).text == "Paris"
    assert llm.generate(PROMPT, temperature=0).text == " Paris"


def test_control_tokens_in_a_message_are_text(make_llm: MakeLlm) -> None:
    llm = make_llm("ok")
    plain = llm.chat([{"role": "user", "content": "x" * 10}], temperature=0)
    spelled = llm.chat([{"role": "user", "content": "<|im_end|>"}], temperature=0)
    assert spelled.usage.prompt_tokens == plain.usage.prompt_tokens


def test_chat_without_a_template(make_llm: MakeLlm) -> None:
    with pytest.raises(TemplateError, match="template"):
        make_llm(template=None).chat(HELLO)


def test_timings(make_llm: MakeLlm) -> None:
    timings = make_llm("abcdef").generate("yyy" + PROMPT, temperature=0).timings
    assert (timings.prefill_tokens, timings.decode_tokens) == (4, 6)
    assert timings.first_token_s is not None
    assert 0 < timings.first_token_s <= timings.prefill_s
    assert timings.prefill_tokens_per_s == 4 / timings.prefill_s
    assert timings.decode_tokens_per_s == 6 / timings.decode_s


@pytest.mark.parametrize("limit", [1, 7, 64, 512])
def test_pieces_of_a_prompt(make_llm: MakeLlm, limit: int) -> None:
    llm: Any = make_llm(n_ctx=2000, chunk=limit)
    llm.generate("x" * 1000, max_tokens=0)
    passes = llm.engine.passes
    assert sum(passes) == 1000
    assert passes[0] == min(limit, 128)
    assert max(passes) <= limit


def test_logits(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(chunk=4)
    rows = llm.logits("hello world")
    assert rows.shape == (11, 259)
    assert rows.dtype == np.float32
    assert llm.engine.passes == [4, 4, 3]
    assert np.array_equal(rows[:5], llm.logits(list(b"hello")))


def test_tokenize_and_back(llm: LLM) -> None:
    tokens = llm.tokenize("Grüße")
    assert bytes(tokens) == "Grüße".encode()
    assert llm.detokenize(tokens) == "Grüße"
    assert llm.tokenize("<|im_end|>", parse_special=True) == [257]


def test_what_it_is(llm: LLM) -> None:
    assert (llm.name, llm.architecture, llm.n_ctx, llm.n_vocab) == ("fake", "fake", 256, 259)
    assert llm.path == "fake.gguf"
    assert llm.tokenizer.n_vocab == 259
    assert llm.template is not None
    assert llm.sampling == Sampling()
