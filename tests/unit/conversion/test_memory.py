"""Memory does not grow with the model: a checkpoint larger than the limit that is enforced."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.oracle import checkpoint_folder
from tests.oracle.checkpoints import CASES

LIMIT = 600_000_000

WORKER = """
import resource, sys
from pestle.conversion import convert
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[3]), resource.RLIM_INFINITY))
convert(sys.argv[1], sys.argv[2], to="Q8_0")
# Not ru_maxrss, which begins with what the process that started this one had.
status = open("/proc/self/status").read()
print(1024 * int(status.partition("VmHWM:")[2].split()[0]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA")
def test_a_checkpoint_larger_than_the_memory(tmp_path: Path) -> None:
    """1.2 GB of zeros, sparse on the disk, in matrices of 134 MB."""
    tiny = CASES["qwen3-256"]
    wide = {"hidden_size": 2048, "intermediate_size": 16_384, "num_hidden_layers": 3}
    case = replace(tiny, config={**tiny.config, **wide})
    source = tmp_path / "s"
    nbytes = checkpoint_folder.write_zeros(source, case)
    command = [sys.executable, "-c", WORKER, str(source), str(tmp_path / "out.gguf"), str(LIMIT)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout) < LIMIT < nbytes
