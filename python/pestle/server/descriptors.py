"""How many files and sockets this process may have open."""

from __future__ import annotations

import contextlib
import sys

_OTHERS = 256  # files, pipes, and sockets that are being accepted or closed


def raise_limit(connections: int) -> int:
    """Have room for so many connections, as far as the system lets us; for how many there is."""
    if sys.platform == "win32":
        return connections
    import resource

    wanted = connections + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, soft - _OTHERS))
