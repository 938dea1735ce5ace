"""Runs a command of pestle's, and says on stderr how much memory the process has held at most.

python run_command.py DATA ARGUMENT...

DATA: bytes of private memory that it may have, by RLIMIT_DATA; 0: as many as it wants.
"""

from __future__ import annotations

import atexit
import resource
import sys

from pestle import memory
from pestle.cli import main

if __name__ == "__main__":
    data = int(sys.argv[1])
    if data:
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    atexit.register(lambda: sys.stderr.write(f"\npeak {memory.peak()}\n"))
    sys.argv[1:] = sys.argv[2:]
    main()
