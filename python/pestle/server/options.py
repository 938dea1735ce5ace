"""How a server is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The options of `create_app`, and the limits that hold for every request.

    Who may ask:
    keys         secrets by the names of whom they belong to; if there are any, one is demanded
    hosts        names in the Host header beside this machine's own addresses and localhost
    origins      of web pages that may ask, such as "https://chat.example.org"

    Which models:
    aliases      further names of models, such as those that a client insists on
    keep_alive   seconds without a request after which a model that can be loaded again is unloaded;
                 None: never, but for others that need the memory
    memory       bytes that models which are loaded when they are needed may take together, by their
                 sizes; None: as many as the machine has
    patience     seconds for which a request waits for its model to be loaded, before it is refused

    What a request may have:
    body_bytes   of a request
    n            answers to one request
    texts        prompts, or inputs to be embedded, of one request
    messages     of a chat
    tools        of a chat
    top_logprobs alternatives to each token
    logprobs     of its prompts, with all alternatives, that are given back
    logit_bias   tokens
    stops        strings, and how long each may be:
    stop_length  in characters

    What may be there at once:
    queue        answers that have not said anything yet; further requests are refused
    bodies_bytes of requests that are on their way; further ones are refused

    What a connection may take:
    connections  open ones; where there would be more, the one that has been idle for longest goes
    head_s       seconds in which the head of a request has to come
    body_s       and its body
    idle_s       seconds without a request after which a connection is closed
    stall        seconds after which a client that does not read its stream is given up

    How it answers:
    beat         seconds of silence after which a stream tells what goes on
    ahead        pieces of an answer that are written before its client has read them
    stuck_s      seconds without the end of a pass after which an engine that has work is ill
    log_prompts  whether the bodies of requests are logged
    """

    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    keep_alive: float | None = None
    memory: int | None = None
    patience: float = 10.0
    body_bytes: int = 32 << 20
    n: int = 16
    texts: int = 2048
    messages: int = 10_000
    tools: int = 1024
    top_logprobs: int = 20
    logprobs: int = 1 << 20
    logit_bias: int = 10_000
    stops: int = 64
    stop_length: int = 1000
    queue: int = 1024
    bodies_bytes: int = 256 << 20
    connections: int = 10_000
    head_s: float = 20.0
    body_s: float = 120.0
    idle_s: float = 75.0
    stall: float = 60.0
    beat: float = 5.0
    ahead: int = 256
    stuck_s: float = 60.0
    log_prompts: bool = False
