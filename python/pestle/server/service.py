"""From jobs to answers: prepared beside the event loop, admitted, and begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from anyio import to_thread

from pestle.engine.run import Run
from pestle.errors import MemoryLimitError
from pestle.llm import LLM
from pestle.options import Request
from pestle.server import limits
from pestle.server.answers import Answers
from pestle.server.doorbell import Doorbell
from pestle.server.errors import ApiError
from pestle.server.jobs import ChatJob, Job
from pestle.server.metrics import Metrics
from pestle.server.models import Models
from pestle.server.options import ServerOptions
from pestle.server.room import Bodies

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from pestle.llm.embedding import Texts

T = TypeVar("T")

_PREPARING = 2  # threads that lay out and tokenize prompts
_RETRY_S = 5


class Service:
    """What all dialects stand on."""

    def __init__(self, options: ServerOptions, models: Models, metrics: Metrics) -> None:
        self.options = options
        self.bodies = Bodies(options.bodies_bytes)
        self.stopping = False
        self._models = models
        self._metrics = metrics
        self._turns = asyncio.Semaphore(_PREPARING)
        self._doorbell: Doorbell | None = None
        self._others_waiting = 0
        self._open: WeakSet[Answers] = WeakSet()
        self._ended = False

    async def answers(self, llm: LLM, job: Job, client: str) -> Answers:
        """The answers to a job of a client, not begun. Raises ApiError and Error.

        What is wrong with a request is found here: whatever iterating raises is nobody's fault.
        """
        limits.check(job, self.options)
        with self._waiting(job.size):
            runs = await self._laid_out(_runs, llm, job, client)
        if self._doorbell is None:  # here: it belongs to the loop that runs
            self._doorbell = Doorbell(asyncio.get_running_loop())
        model = self._models.of(llm)
        observer = self._metrics.of(model.name)
        for run in runs:
            run.allow_ahead(self.options.ahead)
        answers = Answers(runs, self.options.beat, self._doorbell, observer, model.note)
        self._open.add(answers)
        if self._ended:
            answers.fail(_stopped())
        return answers

    async def vectors(
        self, llm: LLM, texts: Texts, options: Mapping[str, Any], client: str
    ) -> tuple[NDArray[float32], int]:
        """What `LLM.embed` gives, and the number of tokens it read. Raises ApiError and Error."""
        with self._waiting(1):
            request = await self._laid_out(llm.embedding_request, texts, options)
            vectors = await llm.embedding_run(request, client=client).aresult()
        return vectors, request.n_tokens

    @contextmanager
    def _waiting(self, n: int) -> Iterator[None]:
        """While the context is open, `n` more wait. Raises ApiError where the queue is full."""
        waiting = self._others_waiting + sum(answers.waiting for answers in self._open)
        if waiting and waiting + n > self.options.queue:
            said = f"{waiting} answers wait already, {self.options.queue} may"
            raise ApiError(429, said, code="queue_full", retry_after=_RETRY_S)
        self._others_waiting += n
        try:
            yield
        finally:
            self._others_waiting -= n

    async def count_tokens(self, llm: LLM, job: ChatJob) -> int:
        """How many tokens the prompt of a chat has, be it more than the context. Raises Error."""
        return await self.prepared(_count, llm, job)

    async def _laid_out(self, prepare: Callable[..., T], *arguments: Any) -> T:
        """`prepared`, where a text that does not fit is the request's mistake."""
        try:
            return await self.prepared(prepare, *arguments)
        except MemoryLimitError as error:  # it would not fit if it were alone
            raise ApiError(400, str(error), code="context_length_exceeded") from None

    async def prepared(self, prepare: Callable[..., T], *arguments: Any) -> T:
        """Have something done beside the event loop, few at a time.

        A thread cannot be stopped, so one whose client has left keeps its turn until it is done.
        """
        await self._turns.acquire()
        working = asyncio.ensure_future(to_thread.run_sync(prepare, *arguments))
        working.add_done_callback(self._end_turn)
        await asyncio.wait({working})
        return working.result()

    def _end_turn(self, working: asyncio.Future[Any]) -> None:
        self._turns.release()
        if not working.cancelled():
            working.exception()  # whoever wanted to know may be gone

    def end_after(self, seconds: float) -> None:
        """Have all answers that are not complete by then end with an error."""
        self.stopping = True
        asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        self._ended = True
        for answers in list(self._open):
            answers.fail(_stopped())


def _stopped() -> ApiError:
    return ApiError(503, "the server is being stopped", retry_after=_RETRY_S)


def _count(llm: LLM, job: ChatJob) -> int:
    messages = llm.adapted(job.messages)
    return len(llm.chat_tokens(messages, job.tools, job.template_args, job.options))


def _runs(llm: LLM, job: Job, client: str) -> list[Run[Any]]:
    if isinstance(job, ChatJob):
        messages = llm.adapted(job.messages)
        request = llm.chat_request(messages, job.tools, job.template_args, job.options)
        return [
            llm.chat_run(
                replace(request, options=replace(request.options, generation=generation)),
                client=client,
            )
            for generation in _seeded(request.options.generation, job.n)
        ]
    runs: list[Run[Any]] = []
    for prompt in job.prompts:
        text = llm.text_request(prompt, job.parse_special, job.options)
        runs += [
            llm.text_run(replace(text, generation=generation), client=client)
            for generation in _seeded(text.generation, job.n)
        ]
    return runs


def _seeded(generation: Request, n: int) -> list[Request]:
    """The same `n` times, with a seed for each: the given one and those that follow."""
    return [replace(generation, seed=(generation.seed + k) % 2**64) for k in range(n)]
