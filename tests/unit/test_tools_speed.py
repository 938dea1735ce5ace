"""tools/compare_peers.py: what is timed, what llama-bench says, what is made of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pestle
import pytest
from gguf import GGUFValueType
from pestle import _core
from speed import tables
from speed.engines import LlamaCppEngine, PestleEngine
from speed.llama_bench import LlamaBench, bench_arguments, parse_output
from speed.plan import Plan, Samples
from speed.report import Outcome, as_json, speeds
from speed.timing import measure
from synthetic import gguf_file
from synthetic.shapes import Shape
from synthetic.vocabulary import Value

PLAN = Plan(prefill=8, decode=2, depths=(6, 0), repetitions=2, threads=2)


class SlowEngine:
    """Takes a second a token, and ten for its first one; remembers what it did."""

    n_vocab = 100

    def __init__(self) -> None:
        self.now, self.held = 0.0, 0
        self.log: list[Any] = []

    def truncate(self, n_tokens: int) -> None:
        assert n_tokens <= self.held
        self.held = n_tokens

    def advance(self, tokens: Sequence[int]) -> None:
        self.now += len(tokens) + (0 if self.log else 10)
        self.log.append((self.held, len(tokens)))
        self.held += len(tokens)


def test_only_the_measured_tokens_are_timed() -> None:
    engine = SlowEngine()
    probes: list[float] = []

    def probe() -> None:
        engine.now += 100
        probes.append(engine.now)

    found = measure(engine, PLAN, between=probe, clock=lambda: engine.now)
    assert found == {"prefill 8": [8, 8], "decode 2": [2, 2], "decode 2 at 6": [2]}
    assert len(probes) == 3
    warm_up, prefills = [(0, 1), (1, 1)], [(0, 8)] * 3
    decodes, deep = [(0, 1), (1, 1)] * 3, [(0, 6), (6, 1), (7, 1)]
    assert engine.log == warm_up + prefills + decodes + deep


def test_a_deeper_context_begins_with_a_less_deep_one() -> None:
    engine = SlowEngine()
    found = measure(engine, Plan(0, 2, (9, 6), 1), clock=lambda: engine.now)
    assert found == {"decode 2 at 6": [2], "decode 2 at 9": [2]}
    assert engine.log[2:] == [(0, 6), (6, 1), (7, 1), (6, 3), (9, 1), (10, 1)]


def test_a_prefill_of_no_tokens_is_left_out() -> None:
    engine = SlowEngine()
    found = measure(engine, Plan(0, 2, (0,), 1), clock=lambda: engine.now)
    assert list(found) == ["decode 2"]


def test_the_context_holds_the_longest_text() -> None:
    assert Plan(512, 128, (0,)).n_ctx == 512
    assert Plan(512, 128, (0, 4096)).n_ctx == 4224
    assert Plan.from_json(PLAN.to_json()) == PLAN


def record(n_prompt: int, n_gen: int, seconds: list[float], **more: Any) -> str:
    values = {"build_commit": "abc", "build_number": 7, "n_prompt": n_prompt, "n_gen": n_gen}
    samples = [round(s * 1e9) for s in seconds]
    return json.dumps({**values, **more, "samples_ns": samples, "samples_ts": [1.0]}, indent=2)


def test_output_of_ik_is_read_between_its_messages() -> None:
    text = (
        "[\n===== Repacked {210} tensors\n"
        + record(512, 0, [9, 2, 2.5], test="pp512")
        + ",\n"
        + record(0, 128, [9, 4], test="tg128")
        + ",\n"
        + record(4096, 128, [8], test="tg128@pp4096")
        + "\n]\n"
    )
    found = parse_output(text)
    assert found.seconds == {"prefill 512": [2, 2.5], "decode 128": [4], "decode 128 at 4096": [8]}
    assert found.engine == "build 7 (abc)"


def test_output_of_llama_cpp_names_the_depth() -> None:
    text = "[\n" + record(0, 128, [8], n_depth=4096) + "]"
    assert parse_output(text).seconds == {"decode 128 at 4096": [8]}


def test_output_without_results_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no result in llama-bench's output: 'oh no'"):
        parse_output("oh no")


def test_each_llama_bench_is_asked_in_its_own_words() -> None:
    common = ["-t", "2", "-ctk", "f16", "-ctv", "f16"]
    shallow = [*common, "-p", "8", "-n", "2", "-r", "3"]
    plan = Plan(prefill=8, decode=2, depths=(0, 9, 6), repetitions=2)
    deep = [*common, "-p", "0", "-n", "0", "-gp", "6,2", "-gp", "9,2", "-r", "1"]
    assert bench_arguments(plan, says_gp=True) == [shallow, deep]
    deep = [*common, "-p", "0", "-n", "2", "-d", "6,9", "-r", "1"]
    assert bench_arguments(plan, says_gp=False) == [shallow, deep]
    assert len(bench_arguments(Plan(0, 2, (6,)), says_gp=True)) == 1
    of_16_bits = bench_arguments(replace(plan, kv="i16"), says_gp=False)
    assert of_16_bits == bench_arguments(replace(plan, kv="f16"), says_gp=False)


@pytest.mark.parametrize("text", ["binary", "=binary", "name=", "name= "])
def test_a_llama_bench_needs_a_name_and_a_command(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=BINARY"):
        LlamaBench.parse(text)


FAKE_BENCH = """
import json, sys
if "--help" in sys.argv:
    print("  -gp <pp,tg>")
elif "fail" in sys.argv:
    sys.exit("cannot load it")
else:
    value = lambda name: sys.argv[sys.argv.index(name) + 1]
    assert value("-m") == "x.gguf" and value("-fa") == "1" and value("-o") == "json"
    runs = [1e9] * int(value("-r"))
    prompt, n = value("-gp").split(",") if "-gp" in sys.argv else (value("-p"), 0)
    print(json.dumps([{"n_prompt": prompt, "n_gen": n, "samples_ns": runs}]))
"""


def test_a_llama_bench_runs(tmp_path: Path) -> None:
    script = tmp_path / "bench.py"
    script.write_text(FAKE_BENCH, encoding="utf-8")
    bench = LlamaBench("peer", (sys.executable, str(script), "-fa", "1"))
    found = bench.run(Path("x.gguf"), Plan(prefill=8, decode=2, depths=(6,), repetitions=2))
    assert found.seconds == {"prefill 8": [1, 1], "decode 2 at 6": [1]}
    broken = LlamaBench("peer", (sys.executable, str(script), "fail"))
    with pytest.raises(RuntimeError, match="ended with 1: cannot load it"):
        broken.run(Path("x.gguf"), PLAN)


def outcome(name: str, ours: bool, seconds: dict[str, list[float]], **more: Any) -> Outcome:
    return Outcome(name, ours, Samples(seconds=seconds, **more))


MODEL = {
    "architecture": "llama", "parameters": 2_000_000_000, "weight_bytes": 1_000_000_000,
    "decode_bytes": 10**9, "prefill_ops": 10**9, "kv_bytes_per_token": 10**6,
}  # fmt: skip


@pytest.fixture
def outcomes() -> list[Outcome]:
    measures = ("prefill 100", "decode 9", "decode 9 at 95")
    best = dict(zip(measures, ([1.0, 1.1, 0.9], [0.9], [0.9]), strict=True))
    narrow = dict(zip(measures, ([2.0], [0.9], [1.8]), strict=True))
    machine = {"int8_ops": [2e11, 2e11], "bandwidth": [1e10, 2e10, 3e10]}
    return [
        outcome("Pestle", True, best, machine=machine, model=MODEL, engine="Pestle 1"),
        outcome("Pestle avx2", True, narrow, machine={"int8_ops": [1e11], "bandwidth": [2e10]}),
        outcome("peer", False, {"prefill 100": [4.0], "decode 9": [1.8]}, engine="build 7"),
        Outcome("other", False, failure="round 1: ended with 1: oops"),
    ]


def test_figures_of_a_prefill(outcomes: list[Outcome]) -> None:
    ours, narrow, peer = speeds(outcomes)["prefill 100"]
    assert (ours.tokens_per_second, ours.samples) == (100, 3)
    assert (ours.min, ours.max) == pytest.approx((100 / 1.1, 100 / 0.9))
    assert (ours.per_second, ours.share) == (1e11, 0.5)
    assert narrow.share == 0.5  # of what its own instructions can do
    assert peer.share == 0.125  # of what the first Pestle's can
    assert peer.ratios == {"Pestle": 4, "Pestle avx2": 2}
    assert narrow.ratios == {"Pestle": 2}


def test_a_decode_reads_weights_and_at_a_depth_the_cache(outcomes: list[Outcome]) -> None:
    shallow = speeds(outcomes)["decode 9"][0]
    assert (shallow.per_second, shallow.share) == (1e10, 0.5)
    deep = speeds(outcomes)["decode 9 at 95"][0]  # 96 to 104 positions: 100 MB on average
    assert (deep.per_second, deep.share) == pytest.approx((1.1e10, 0.55))


def test_without_a_pestle_there_are_speeds_but_no_shares() -> None:
    (speed,) = speeds([outcome("peer", False, {"decode 10": [2.0]})])["decode 10"]
    assert (speed.tokens_per_second, speed.share, speed.ratios) == (5, None, {})


def test_the_report_as_text(outcomes: list[Outcome]) -> None:
    lines = list(tables.text("m.gguf", PLAN, 3, outcomes))
    assert lines[:4] == [
        "m.gguf: llama, 2.00B parameters, 1.00 GB",
        "2 threads, KV f16, 3 rounds; int8 200 GOPS, DRAM 20.0 GB/s",
        "",
        "prefill 100",
    ]
    figures = "100.0 tokens/s (90.9 to 111.1)     100.0 GOPS   50%"
    assert lines[4] == f"  Pestle           {figures}  Pestle avx2 is 0.50x"
    assert "FAILED  other: round 1: ended with 1: oops" in lines
    assert lines[-1] == "peer         build 7"


def test_the_report_as_markdown(outcomes: list[Outcome]) -> None:
    assert list(tables.markdown_header([o.name for o in outcomes])) == [
        "| file | measure | Pestle | Pestle avx2 | peer | other |",
        "|---|---|---|---|---|---|",
    ]
    first, *_, last = tables.markdown("m", outcomes)
    assert first == "| m | prefill 100 | 100.0 (50%) | 50.0 (50%) | 25.0 (12%) 4.00x | failed |"
    assert last == "| m | decode 9 at 95 | 10.0 (55%) | 5.0 (28%) |  | failed |"


def test_small_shares_have_a_decimal(outcomes: list[Outcome]) -> None:
    outcomes[0].samples.machine["int8_ops"] = [4e12]
    assert "100.0 (2.5%)" in next(tables.markdown("m", outcomes))


def test_the_report_as_json_holds_every_sample(outcomes: list[Outcome]) -> None:
    found = json.loads(json.dumps(as_json("m.gguf", PLAN, 3, outcomes)))
    assert found["engines"][0]["seconds"]["prefill 100"] == [1.0, 1.1, 0.9]
    assert found["engines"][3]["failure"] == "round 1: ended with 1: oops"
    assert found["speeds"]["prefill 100"][2]["ratios"]["Pestle"] == 4
    assert found["machine"] == {"int8_ops": 2e11, "bandwidth": 2e10}


def test_rounds_rotate_and_a_failure_is_kept(load_tool: Callable[[str], ModuleType]) -> None:
    asked: list[str] = []

    class Fake:
        def __init__(self, name: str, fails: bool = False) -> None:
            self.name, self.fails = name, fails

        def run(self, model: Path, plan: Plan) -> Samples:
            asked.append(self.name)
            if self.fails:
                raise RuntimeError("no")
            return Samples(seconds={"decode 2": [float(len(asked))]})

    engines = [Fake("a"), Fake("b", fails=True), Fake("c")]
    found = load_tool("compare_peers").compare(Path("m"), engines, PLAN, 3, tell=False)
    assert asked == ["a", "b", "c", "c", "a", "c", "a"]
    assert found[0].samples.seconds == {"decode 2": [1, 5, 7]}
    assert found[1].failure == "round 1: no"


def test_engines_come_from_the_command_line(
    load_tool: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool = load_tool("compare_peers")
    monkeypatch.setattr(tool.importlib.util, "find_spec", lambda _name: None)
    found = tool.engines_of(tool.parse(["m.gguf", "--llama-bench", "ik=bench -rtr 1"]))
    assert found == [PestleEngine(), LlamaBench("ik", ("bench", "-rtr", "1"))]
    assert "llama.cpp is left out" in capsys.readouterr().err
    words = ["m.gguf", "--isa", "auto", "avx2", "--llama-cpp-python", "py"]
    found = tool.engines_of(tool.parse([*words, "--flash-attention", "auto", "off"]))
    assert [e.name for e in found] == ["Pestle", "Pestle avx2", "llama.cpp", "llama.cpp fa=off"]
    assert found[3].options == {"flash_attention": "off", "repack": True}
    assert found[3].python == "py"


def test_a_worker_gets_its_instruction_set_and_tells_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = []
    answer = SimpleNamespace(returncode=0, stdout="noise\n" + Samples(engine="x").to_json())

    def run(command: list[str], *, env: dict[str, str], **_others: object) -> SimpleNamespace:
        commands.append((command, env.get("PESTLE_ISA")))
        return answer

    monkeypatch.setenv("PESTLE_ISA", "scalar")
    monkeypatch.setattr(subprocess, "run", run)
    assert PestleEngine().run(Path("m"), PLAN).engine == "x"
    PestleEngine("avx2").run(Path("m"), PLAN)
    LlamaCppEngine("llama.cpp", "py", {"repack": False}).run(Path("m"), PLAN)
    assert [isa for _, isa in commands] == [None, "avx2", "scalar"]
    assert commands[0][0][2:] == ["pestle", "m", PLAN.to_json()]
    assert commands[2][0][0] == "py"
    assert commands[2][0][-1] == '{"repack": false}'
    answer = SimpleNamespace(returncode=-11, stdout="", stderr="")
    with pytest.raises(RuntimeError, match="ended with -11: it said nothing"):
        PestleEngine().run(Path("m"), PLAN)
    assert os.environ["PESTLE_ISA"] == "scalar"


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    text, items, integer = GGUFValueType.STRING, GGUFValueType.ARRAY, GGUFValueType.INT32
    words = {
        "tokenizer.ggml.model": Value("gpt2", text, None),
        "tokenizer.ggml.pre": Value("gpt-2", text, None),
        "tokenizer.ggml.tokens": Value([*map(chr, range(97, 122)), "ab"], items, text),
        "tokenizer.ggml.token_type": Value([1] * 26, items, integer),
        "tokenizer.ggml.merges": Value(["a b"], items, text),
        "tokenizer.ggml.eos_token_id": Value(25, GGUFValueType.UINT32, None),
    }
    path = tmp_path / "tiny.gguf"
    shape = Shape("llama", 64, 96, 2, 4, 2, 32, 40, 128, 1e4, 1e-5)
    gguf_file.write(path, shape, "Q8_0", words)
    return path


def test_pestle_is_measured(
    load_tool: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.setattr(_core, "measure_bandwidth", lambda threads: 10.0 * threads)
    monkeypatch.setattr(_core, "measure_int8", lambda threads: 20.0 * threads)
    found = load_tool("speed_worker").run_pestle(str(tiny_model), PLAN)
    assert {name: len(runs) for name, runs in found.seconds.items()} == {
        "prefill 8": 2, "decode 2": 2, "decode 2 at 6": 1,
    }  # fmt: skip
    assert all(run > 0 for runs in found.seconds.values() for run in runs)
    assert found.machine == {"bandwidth": [20.0] * 3, "int8_ops": [40.0] * 3}
    # A layer's matrices: q and o 64 x 128, k and v 64 x 64, three of 64 x 96.
    layer = 2 * 64 * 128 + 2 * 64 * 64 + 3 * 64 * 96
    assert found.model["prefill_ops"] == 2 * 2 * layer
    assert found.model["kv_bytes_per_token"] == 2 * 2 * 64 * 2
    assert found.engine == f"Pestle {pestle.__version__}, {_core.isa()}"


def test_turns_without_a_model(
    load_tool: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A missing file is an error in one line, not a traceback."""
    monkeypatch.setattr(sys, "argv", ["take_turns.py", "gone.gguf", "--llama-bench", "x"])
    with pytest.raises(SystemExit) as left:
        load_tool("take_turns").main()
    assert left.value.code == 2
    assert "error: gone.gguf: " in capsys.readouterr().err.splitlines()[-1]
