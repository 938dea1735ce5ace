"""How a server is set up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The options of `create_app`, and the limits that hold for every request.

    beat           seconds of silence after which a stream tells what goes on
    stall          seconds after which a client that does not read its stream is given up
    body_bytes     of a request
    queue          answers that may wait for their turn; further requests are refused
    n              answers to one request
    ahead          pieces of an answer that are written before its client has read them
    """

    beat: float = 5.0
    stall: float = 60.0
    body_bytes: int = 32 << 20
    queue: int = 1024
    n: int = 16
    ahead: int = 256
