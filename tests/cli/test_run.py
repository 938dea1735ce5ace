"""`pestle run`: what it prints where, what it asks the model, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from pestle.cli.model_options import ModelOptions
from pestle.options import EngineOptions, Sampling

from .conftest import Pestle
from .fakes import ANSWER, FakeLLM

Use = Callable[[FakeLLM], FakeLLM]
QUESTION = "What is the capital of France?"


def test_a_loop_ends(pestle: Pestle, use: Use) -> None:
    """Unless something else bounds the answer; and it is said."""
    said = "\n".join(f"{n}. It is a very good thing to have." for n in range(40))
    note = "The answer repeats itself: it ends here. --no-loop-guard lets it go on.\n"
    for flags, repeated in (
        ([], 13), (["--json"], 13), (["--no-loop-guard"], 40), (["-n", "9000"], 40),
        (["--raw"], 40), (["--regex", ".*"], 40), (["-n", "9000", "--loop-guard"], 13),
    ):  # fmt: skip
        use(FakeLLM(said, n_ctx=10_000))
        result = pestle("run", "-v", "-p", "x", *flags)
        assert result.stdout.count("very good") <= repeated
        assert (result.stdout.count("very good") == 40) == (repeated == 40)
        assert (note in result.stderr) == (repeated == 13)
        assert ("ended by  its loop" in result.stderr) == (repeated == 13)
        assert result.exit_code == 0


def test_answer_is_all_there_is(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "-p", QUESTION)
    assert (result.stdout, result.stderr, result.exit_code) == (f"{ANSWER}\n", "", 0)
    assert llm.asked == [([{"role": "user", "content": QUESTION}], {})]


def test_prompt_without_p(pestle: Pestle, llm: FakeLLM) -> None:
    assert pestle("run", QUESTION).exit_code == 0
    assert llm.asked[0][0] == [{"role": "user", "content": QUESTION}]


def test_pipe_is_the_prompt(pestle: Pestle, llm: FakeLLM) -> None:
    assert pestle("run", stdin="Two\nlines\n").exit_code == 0
    assert llm.asked[0][0] == [{"role": "user", "content": "Two\nlines"}]


def test_pipe_follows_p(pestle: Pestle, llm: FakeLLM) -> None:
    assert pestle("run", "-p", "Summarize:", stdin="a text\r\n").exit_code == 0
    assert llm.asked[0][0] == [{"role": "user", "content": "Summarize:\n\na text"}]


def test_pipe_must_be_text(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", stdin=b"\xff\xfe")
    assert result.stderr == (
        "pestle: error: stdin is not UTF-8 text (byte 0) (see `pestle run -h`)\n"
    )
    assert (result.exit_code, llm.asked) == (2, [])


def test_system_message(pestle: Pestle, llm: FakeLLM) -> None:
    pestle("run", "-sys", "Be brief.", "-p", QUESTION)
    assert llm.asked[0][0][0] == {"role": "system", "content": "Be brief."}


def test_raw_has_no_template(pestle: Pestle, llm: FakeLLM) -> None:
    pestle("run", "--raw", "-p", "Once upon")
    assert llm.asked == [("Once upon", {})]


def test_every_option_arrives(pestle: Pestle, llm: FakeLLM) -> None:
    flags = (
        "-n 7 --stop END --stop FIN --seed 3 --temp 0 --top-k 1 --top-p 0.5 --min-p 0.1 "
        "--repeat-penalty 1.1 --repeat-last-n 32 --frequency-penalty 0.2 --presence-penalty -0.3 "
        "--logit-bias 5=-2 --logit-bias 6=-inf -m a.gguf --offline -c 64 -t 2 "
        "-tb 3 -ctk f32 -ctv f32 --cache-ram 7 --kv-memory 90 --no-speculation "
        "--rope-scaling yarn --rope-scale 4 --yarn-orig-ctx 32768 --rope-freq-base 1e6"
    )
    assert pestle("run", "-p", "x", *flags.split()).exit_code == 0
    assert llm.asked[0][1] == {
        "max_tokens": 7, "stop": ("END", "FIN"), "seed": 3, "temperature": 0.0, "top_k": 1,
        "top_p": 0.5, "min_p": 0.1, "repeat_penalty": 1.1, "repeat_last_n": 32,
        "frequency_penalty": 0.2, "presence_penalty": -0.3,
        "logit_bias": {5: -2.0, 6: float("-inf")}, "speculation": False,
    }  # fmt: skip
    assert llm.loaded_with == ModelOptions(
        model="a.gguf", offline=True, engine=EngineOptions(
            n_ctx=64, threads=2, threads_prefill=3, kv_type="f32", prefix_cache=7 << 20,
            kv_memory=90 << 20, rope_scaling="yarn", rope_scale=4.0, yarn_orig_ctx=32_768,
            rope_freq_base=1e6,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--rope-scaling longrope", "'longrope' is not one of 'none', 'linear', 'yarn'"),
        ("--rope-scaling yarn", "linear and yarn scaling need a rope scale"),
        ("--rope-scaling none --rope-scale 2", "a rope scale goes with linear or yarn scaling"),
        ("--yarn-orig-ctx 4096", "an original context goes with yarn scaling only"),
        (
            "--rope-scaling linear --rope-scale 2 --yarn-orig-ctx 4096",
            "an original context goes with yarn scaling only",
        ),
        ("--rope-scale 0.5", "0.5 is out of range: from 1 to 1,000,000 is expected"),
        ("--rope-scale nan", "nan is out of range"),
        ("--rope-freq-base 1", "1 is out of range: above 1 and at most 10^12 is expected"),
        ("--rope-scaling yarn --rope-scale 2 --yarn-orig-ctx 0", "0 is out of range"),
    ],
)
def test_scaling_that_makes_no_sense(pestle: Pestle, llm: FakeLLM, flags: str, words: str) -> None:
    """It is refused before a model is looked for."""
    result = pestle("run", "-p", "x", *flags.split())
    assert words in result.stderr
    assert (result.exit_code, llm.loaded_with) == (2, None)


@pytest.mark.parametrize(
    ("flags", "kv_type"),
    [
        ("", "i16"),
        ("-ctk q8_0", "q8_0"),
        ("-ctv q8_0", "i16/q8_0"),
        ("-ctk q8_0 -ctv f16", "q8_0/f16"),
        ("-ctk q8_0 -ctv q8_0", "q8_0"),
    ],
)
def test_types_of_keys_and_values(pestle: Pestle, llm: FakeLLM, flags: str, kv_type: str) -> None:
    assert pestle("run", "-p", "x", *flags.split()).exit_code == 0
    assert llm.loaded_with == ModelOptions(engine=EngineOptions(kv_type=kv_type))


def test_statistics_with_v(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "-v", "-p", QUESTION)
    assert result.stdout == f"{ANSWER}\n"
    assert result.stderr == (
        "prompt    6 tokens (0 cached), 0.05 s, 120.0 tok/s\n"
        "answer    6 tokens, 0.05 s, 100.0 tok/s, 10.0 ms/token, 50.0 GB/s"
        ", first after 0.06 s\n"
        "context   12/100\n"
        "ended by  the model\n"
        "seed      42\n"
    )


def test_statistics_of_streamed_experts(pestle: Pestle, llm: FakeLLM) -> None:
    llm.expert_traffic = SimpleNamespace(
        tokens=10, asked=4000, hits=3000, reads=1000, read_bytes=3e9, stall_seconds=2.0,
        stall_bytes=2.4e9,
    )  # fmt: skip
    llm.model.expert_read_rate = 1.3e9
    result = pestle("run", "-v", "-p", QUESTION)
    said = "75% of 4,000 in memory, 300 MB a token read, waited 2.00 s at 1.2 GB/s"
    assert f"experts   {said}, the disk gave 1.3 GB/s\n" in result.stderr


def test_statistics_of_drafts(pestle: Pestle, llm: FakeLLM) -> None:
    """Bandwidth counts passes, not tokens: 2 of 5 in the same time."""
    llm.speculated = (2, 4, 3)
    result = pestle("run", "-v", "-p", QUESTION)
    assert "100.0 tok/s, 10.0 ms/token, 20.0 GB/s" in result.stderr
    assert "drafts    3 of 4 tokens accepted, 2 passes for 5 tokens\n" in result.stderr


def test_json(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "--json", "--logprobs", "0", "--seed", "9", "-p", QUESTION)
    assert json.loads(result.stdout) == {
        "version": 2,
        "model": "Fake 1B",
        "text": ANSWER,
        "token_ids": [0, 1, 2, 3, 4, 5],
        "finish_reason": "stop",
        "stop_reason": 2,
        "seed": 9,
        "usage": {
            "prompt_tokens": 6, "cached_tokens": 0, "completion_tokens": 6,
            "reasoning_tokens": 0, "total_tokens": 12,
        },
        "reuse": {"reused": 0, "shared": 0},
        "reasoning": "",
        "tool_calls": [],
        "warnings": [],
        "timings": {
            "prefill_s": 0.05, "prefill_tokens": 6, "decode_s": 0.05, "decode_tokens": 5,
            "first_token_s": 0.06, "decode_passes": 5, "drafted_tokens": 0, "accepted_tokens": 0,
            "prefill_tokens_per_s": 120.0, "decode_tokens_per_s": 100.0,
        },
        "logprobs": [
            {"token": 0, "text": "The", "bytes": [84, 104, 101], "logprob": -0.25, "top": []}
        ],
    }  # fmt: skip
    assert result.stderr == ""


def test_full_context_is_an_error(pestle: Pestle, use: Use) -> None:
    use(FakeLLM(n_ctx=8))
    result = pestle("run", "-p", QUESTION)
    assert result.stdout == "The capital\n"
    assert result.stderr == (
        "pestle: error: the answer reached the end of the context, 8 tokens; -n ends it sooner\n"
    )
    assert result.exit_code == 5


def test_long_prompt_is_an_error(pestle: Pestle, use: Use) -> None:
    use(FakeLLM(n_ctx=3))
    result = pestle("run", "-p", QUESTION)
    assert result.stderr == ("pestle: error: the prompt has 6 tokens, the context holds 3\n")
    assert (result.stdout, result.exit_code) == ("", 5)


def test_model_without_template(pestle: Pestle, use: Use) -> None:
    use(FakeLLM(template=None))
    for command in ("run", "chat"):
        result = pestle(command, stdin="Hello")
        assert result.stderr == (
            "pestle: error: /models/fake.Q4_1.gguf: the file has no chat template; "
            "`pestle run --raw` continues text\n"
        )
        assert (result.stdout, result.exit_code) == ("", 1)
    assert pestle("run", "--raw", stdin="Hello").exit_code == 0


def test_limit_of_tokens_is_no_error(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "-v", "-n", "2", "-p", QUESTION)
    assert (result.stdout, result.exit_code) == ("The capital\n", 0)
    assert "ended by  the limit of tokens\n" in result.stderr


def test_interrupt_keeps_what_was_said(pestle: Pestle, use: Use) -> None:
    use(FakeLLM("Once upon", error=KeyboardInterrupt()))
    result = pestle("run", "-p", QUESTION)
    assert (result.stdout, result.stderr, result.exit_code) == ("Once upon", "", 130)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no prompt: give one with -p, or a pipe on stdin"),
        (["-p", ""], "There is no prompt: give one with -p, or a pipe on stdin"),
        (["-p", "a", "b"], "Give the prompt once, with or without -p"),
        ([" \n"], "The prompt is blank: a model goes on for ever after nothing"),
        (["-c", "99999999999", "-p", "a"],
         ("Invalid value for '-c' / '--ctx-size': 99999999999 is out of range: "
         "from 0 to 2^31 - 1 is expected")),
        (["--raw", "-sys", "x", "-p", "a"], "--raw has no chat template, so -sys has no place"),
        (["--logprobs", "1", "-p", "a"], "--logprobs needs --json"),
        (["-m", "x", "-hf", "y/z", "-p", "a"], "-m and -hf exclude each other"),
        (["-ctk", "q4_0", "-p", "a"],
         "Invalid value for '-ctk': 'q4_0' is not one of 'i16', 'f16', 'f32', 'q8_0'"),
        (["-q", "-v", "-p", "a"], "-v and -q exclude each other"),
        (["--logit-bias", "5", "-p", "a"],
         "Invalid value for '--logit-bias': '5' is not ID=VALUE, as in 1234=-5 or 1234=-inf"),
        (["--temp", "nan", "-p", "a"],
         "Invalid value for '--temp': nan is out of range: 0 or more is expected"),
        (["-n", "0", "-p", "a"],
         ("Invalid value for '-n' / '--max-tokens': 0 is out of range: "
          "from 1 to 2^31 - 1 is expected")),
        (["--logit-bias", "300=1", "-p", "a"], "logit_bias: token 300 is not in [0, 300)"),
        (["-p", "bad \udcff"], "The prompt is not UTF-8 text"),
    ],
)  # fmt: skip
def test_usage(pestle: Pestle, llm: FakeLLM, arguments: list[str], message: str) -> None:
    result = pestle("run", *arguments)
    assert result.stderr == f"pestle: error: {message} (see `pestle run -h`)\n"
    assert (result.stdout, result.exit_code, llm.asked) == ("", 2, [])


@pytest.mark.parametrize(
    "words",
    [
        ["What", "is", "the", "capital", "of", "France?"],
        ["gpt-4o", "or", "not?"],
        ["-p", "llama3.2-1b"],
        ["llama3.2-1b is small"],
        ["yes/no"],
        ["-m", "x.gguf", "qwen3-0.6b"],
        ["3b"],
        [" @notes.txt"],
        ["@absent.txt"],
    ],
)
def test_words_are_one_prompt(pestle: Pestle, llm: FakeLLM, words: list[str]) -> None:
    result = pestle("run", *words)
    assert (result.stdout, result.stderr, result.exit_code) == (f"{ANSWER}\n", "", 0)
    said = " ".join(word for word in words if word not in ("-p", "-m", "x.gguf"))
    assert llm.asked[0][0] == [{"role": "user", "content": said}]


def test_a_file_that_is_named_as_elsewhere(
    pestle: Pestle, llm: FakeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("Summarize this.")
    result = pestle("run", "-p", "@notes.txt")
    assert "@notes.txt would be the prompt itself; `< notes.txt` reads the file" in result.stderr
    assert (result.exit_code, llm.asked) == (2, [])
    assert pestle("run", "-p", "@/no/such/file").exit_code == 2
    assert pestle("run", "-p", "@alice").exit_code == 0


def test_blanks_are_text_where_text_goes_on(pestle: Pestle, llm: FakeLLM) -> None:
    assert pestle("run", "--raw", "-p", " ").exit_code == 0
    assert pestle("run", "--raw", "-p", "").exit_code == 2


@pytest.mark.parametrize(
    ("flags", "cure"),
    [
        ([], "6 tokens; -n ends it sooner"),
        (["--regex", r"\d+"], r"a bound, as in \d{1,20}, would end it, and so does -n"),
    ],
)
def test_answer_without_an_end(pestle: Pestle, use: Use, flags: list[str], cure: str) -> None:
    use(FakeLLM("one two three four five six seven", n_ctx=6))
    result = pestle("run", "-p", "x", *flags)
    assert cure in result.stderr
    assert result.exit_code == 5


@pytest.mark.parametrize(
    ("word", "model", "hub"),
    [
        ("llama3.2-1b", "llama3.2-1b", None),
        ("llama3.2:1b", "llama3.2:1b", None),
        ("qwen3-0.6b", "qwen3-0.6b", None),
        ("no-such-7b", "no-such-7b", None),
        ("tiny.gguf", "tiny.gguf", None),
        ("gemma3", "gemma3", None),
        ("phi3", "phi3", None),
        ("deepseek-r1", "deepseek-r1", None),
        ("gpt-oss", "gpt-oss", None),
        ("google/gemma-3-4b", "gemma3-4b", None),
        ("hf.co/Qwen/Qwen3-0.6B-GGUF", None, "hf.co/Qwen/Qwen3-0.6B-GGUF"),
        ("user/some-7B-it:Q4_K_M", None, "user/some-7B-it:Q4_K_M"),
    ],
)
def test_a_model_before_the_prompt(
    pestle: Pestle, llm: FakeLLM, word: str, model: str | None, hub: str | None
) -> None:
    """With a quoted prompt, one of several words, one behind -p and one in a pipe."""
    for command in (
        ["run", word, QUESTION], ["run", word, *QUESTION.split()], ["run", word, "-p", QUESTION],
        ["chat", word, QUESTION],
    ):  # fmt: skip
        assert pestle(*command).exit_code == 0
        assert (llm.loaded_with.model, llm.loaded_with.hub) == (model, hub)
        assert llm.asked.pop()[0] == [{"role": "user", "content": QUESTION}]
    for command in (["run", word], ["chat", word]):
        assert pestle(*command, stdin=QUESTION).exit_code == 0
        assert llm.loaded_with.model == model
        assert llm.asked.pop()[0] == [{"role": "user", "content": QUESTION}]


def test_a_model_is_never_a_prompt(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "llama3.2-1b")
    assert (result.exit_code, llm.asked) == (2, [])
    assert "There is no prompt" in result.stderr


@pytest.mark.parametrize("words", [["mistral", "What is wind?"], ["qwq", "Why so?"]])
def test_a_family_before_a_quoted_prompt(pestle: Pestle, llm: FakeLLM, words: list[str]) -> None:
    assert pestle("run", *words).exit_code == 0
    assert llm.loaded_with.model == words[0]
    assert llm.asked[0][0] == [{"role": "user", "content": words[1]}]


@pytest.mark.parametrize(("stated", "asked"), [(True, {}), (False, {"temperature": 0.0})])
def test_a_file_may_state_what_is_the_default(
    pestle: Pestle, use: Use, stated: bool, asked: dict[str, float]
) -> None:
    """It is sampled as the file says; only one that says nothing is run greedily."""
    llm = use(FakeLLM())
    llm.sampling, llm.sampling_source = Sampling(), "the model's file" if stated else None
    assert pestle("run", "-p", QUESTION).exit_code == 0
    assert llm.asked[0][1] == asked


def test_a_sentence_may_begin_with_a_family(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "mistral", "winds", "blow")
    assert (result.exit_code, result.stderr) == (0, "")
