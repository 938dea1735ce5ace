"""One engine's measurements, in a process of their own; `compare_peers.py` starts it.

Usage: python tools/speed_worker.py pestle|llama.cpp MODEL PLAN [OPTIONS]   (both JSON)

Prints the samples as JSON, the last line of its output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from speed.plan import Plan, Samples
from speed.timing import measure


def run_pestle(path: str, plan: Plan) -> Samples:
    """Pestle, and between the repetitions what the machine allows."""
    import pestle
    from pestle import LLM, _core
    from pestle_peer import Pestle

    samples = Samples(machine={"bandwidth": [], "int8_ops": []})

    def probe() -> None:
        samples.machine["bandwidth"].append(_core.measure_bandwidth(plan.threads))
        samples.machine["int8_ops"].append(_core.measure_int8(plan.threads))

    with LLM(path, n_ctx=plan.n_ctx, threads=plan.threads, kv_type=plan.kv) as llm:
        model = llm.model
        samples.engine = f"Pestle {pestle.__version__}, {_core.isa()}"
        samples.model = {
            "architecture": model.architecture,
            "parameters": model.n_params,
            "weight_bytes": model.weight_bytes,
            "decode_bytes": model.decode_bytes,
            "prefill_ops": model.prefill_ops,
            "kv_bytes_per_token": model.kv_bytes_per_token(plan.kv),
        }
        samples.seconds = measure(Pestle(llm), plan, between=probe)
    return samples


def run_llama_cpp(path: str, plan: Plan, options: dict[str, Any]) -> Samples:
    """llama.cpp through llama-cpp-python. Nothing here needs Pestle."""
    import llama_cpp
    from llama_cpp_peer import LlamaCpp

    with LlamaCpp(path, n_ctx=plan.n_ctx, threads=plan.threads, kv=plan.kv, **options) as peer:
        seconds = measure(peer, plan)
    return Samples(seconds=seconds, engine=f"llama-cpp-python {llama_cpp.__version__}")


def main() -> None:
    kind, path, plan = sys.argv[1], sys.argv[2], Plan.from_json(sys.argv[3])
    if kind == "pestle":
        samples = run_pestle(path, plan)
    else:
        samples = run_llama_cpp(path, plan, json.loads(sys.argv[4]))
    print(samples.to_json())


if __name__ == "__main__":
    main()
