"""llama.cpp's server, as the `xllamacpp` wheel brings it.

    python tools/load/llama_server.py FILE.gguf --port PORT [--parallel N] [--context N]

`--context` is each stream's own.
"""

from __future__ import annotations

import argparse
import signal

import xllamacpp


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--context", type=int, default=1024)
    given = parser.parse_args()
    asked = xllamacpp.CommonParams()
    asked.model.path = given.file
    asked.hostnames = ["127.0.0.1"]
    asked.port = given.port
    asked.n_parallel = given.parallel
    asked.n_ctx = given.parallel * given.context
    asked.cpuparams.n_threads = asked.cpuparams_batch.n_threads = given.threads
    asked.n_gpu_layers = 0
    server = xllamacpp.Server(asked)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
