"""`LLM`: a loaded model, and the only class that most programs need."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any

from pestle.chat.entry import token_ids
from pestle.chat.session import Session
from pestle.chat.tools import Tools
from pestle.engine.runtime import Runtime
from pestle.engine.waking import Awaited, in_thread
from pestle.llm.embedding import EmbeddingCalls
from pestle.llm.facts import ModelFacts
from pestle.llm.lists import ListCalls
from pestle.llm.opening import AsyncOpening
from pestle.llm.texts import TextCalls
from pestle.options import EngineOptions, check_bool, check_choice, check_integer, check_seed
from pestle.options.arguments import known_arguments
from pestle.options.checks import check_path, check_progress, mistyped
from pestle.options.values import UNKNOWN_CHARACTERS

if TYPE_CHECKING:
    from types import TracebackType

    from numpy import uint64
    from numpy.typing import NDArray
    from typing_extensions import Self

    from pestle.chat.conversation import Conversation
    from pestle.chat.tools import Tool
    from pestle.engine.activity import Activity
    from pestle.engine.loaded import Loaded
    from pestle.engine.run import Lease
    from pestle.engine.sequence import HeldSequence
    from pestle.models import Progress


class LLM(AsyncOpening, ListCalls, TextCalls, EmbeddingCalls, ModelFacts):
    """A language model, loaded for use on this CPU.

    Args:
        model: A GGUF file, a name that `pestle ls` lists, or None for the default model.
        hf: `user/repo[:QUANT]` on the Hugging Face hub, instead of `model`.
        n_ctx: Context in tokens; 0: what the model was trained for. Memory for it is taken only as
            it fills.
        threads: Threads that decode; 0: chosen for this CPU.
        threads_prefill: Threads that read prompts; 0: as `threads`.
        kv_type: How keys and values are kept: "i16", which is the default, "f16", "f32" or "q8_0";
            "q8_0/i16" names the keys' type and the values'. q8_0 takes half the memory of i16.
        prefix_cache: Bytes of keys and values (512 MiB) that are kept of texts which nothing holds,
            so that a prompt that begins as one of them is not read from its beginning; what has not
            been used for longest goes first.
        kv_memory: The most bytes of keys and values, those of `prefix_cache` included; 0: what the
            system has. Where more is wanted at once, calls wait for each other.
        expert_memory: Bytes for the experts of a mixture: as many as fit into them stay in memory,
            the others are read from the file when tokens ask for them, which changes the speed and
            no result (docs/streaming.md; long prompts like a `chunk` of 2,048 then); 0: all are in
            memory, or as `memory` has it.
        memory: What the whole process may take, in bytes or as "12GiB": context, keys and values,
            passes and experts are chosen to fit. None: what fits beside the rest of the machine is
            loaded whole, and of what does not, experts are streamed. No bit depends on it.
        chunk: The most prompt tokens (512) in one forward pass; changes speed and memory, never
            results.
        rope_scaling: "none", "linear" or "yarn": how positions are stretched beyond the context
            that the model was trained for; None, here and below: as the file has it. The context
            grows with them.
        rope_scale: By what factor.
        yarn_orig_ctx: The context, in tokens, that yarn stretches.
        rope_freq_base: The base of the rotary frequencies.
        chat_template: The text of a Jinja template to use instead of the file's own, or the name of
            another one that the file has.
        unknown_characters: What becomes of characters of a prompt that the vocabulary cannot
            express: "error", or "replace": U+FFFD is read in their place, or what else it has of
            "?" and a space, and the result's `warnings` tell of it.
        seed: For calls that do not give their own; None: a new random one for each.
        offline: Never use the network.
        progress: Hears how far downloading and loading are; see `pestle.models.Progress`.

    Besides ValueError or TypeError for an argument, raises ModelNotFoundError, DownloadError or
    OfflineError (the model could not be had), FormatError or UnsupportedError (its file cannot be
    run), and MemoryLimitError. Use it as a context manager, or call `close`; `aopen` is the same
    for asyncio.

    `generate`, `chat` and their asynchronous forms may be called from several threads, also while
    streams are open: each call has a sequence of its own, and all share the forward passes, which
    is faster than one after the other and changes no bit of an answer. So do `generate_all` and
    `chat_all` for a list. They share what they read too: a prompt that begins as another one did is
    not computed from its beginning again, as long as `prefix_cache` or a session holds that.
    """

    @known_arguments
    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        hf: str | None = None,
        n_ctx: int = 0,
        threads: int = 0,
        threads_prefill: int = 0,
        kv_type: str = EngineOptions.kv_type,
        chunk: int = EngineOptions.chunk,
        prefix_cache: int = EngineOptions.prefix_cache,
        kv_memory: int = EngineOptions.kv_memory,
        expert_memory: int = EngineOptions.expert_memory,
        memory: int | str | None = None,
        rope_scaling: str | None = None,
        rope_scale: float | None = None,
        yarn_orig_ctx: int | None = None,
        rope_freq_base: float | None = None,
        chat_template: str | None = None,
        unknown_characters: str = "error",
        seed: int | None = None,
        offline: bool = False,
        progress: Progress | None = None,
    ) -> None:
        if not isinstance(model, (str, os.PathLike, NoneType)):
            raise mistyped("model", model, "a file or a name")
        for name, text in (("hf", hf), ("chat_template", chat_template)):
            if not isinstance(text, (str, NoneType)):
                raise mistyped(name, text, "a string")
        check_bool("offline", offline)
        check_progress(progress)
        if seed is not None:
            seed = check_seed(seed)
        check_choice("unknown_characters", unknown_characters, UNKNOWN_CHARACTERS)
        options = EngineOptions(
            n_ctx=n_ctx,
            threads=threads,
            threads_prefill=threads_prefill,
            kv_type=kv_type,
            chunk=chunk,
            prefix_cache=prefix_cache,
            kv_memory=kv_memory,
            expert_memory=expert_memory,
            memory=memory,  # type: ignore[arg-type]  # a text becomes a number
            rope_scaling=rope_scaling,
            rope_scale=rope_scale,
            yarn_orig_ctx=yarn_orig_ctx,
            rope_freq_base=rope_freq_base,
        )
        # Here, because these bring the tokenizer, the templates and the downloads.
        from pestle.llm.loading import load
        from pestle.models import resolve

        path = resolve(model, hf=hf, offline=offline, progress=progress)
        loaded = load(path, options, chat_template=chat_template, seed=seed, progress=progress)
        self._use(Runtime(replace(loaded, unknown_characters=unknown_characters)))

    @classmethod
    def from_loaded(cls, loaded: Loaded) -> Self:
        """An LLM over parts that were loaded, or made, elsewhere."""
        return cls.from_runtime(Runtime(loaded))

    @classmethod
    def from_runtime(cls, runtime: Runtime) -> Self:
        """An LLM over a runtime that was made elsewhere."""
        llm = cls.__new__(cls)
        llm._use(runtime)
        return llm

    def _use(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._idle: list[HeldSequence] = []
        if runtime.loaded.settled is not None:
            self.parallel = 0

    def __repr__(self) -> str:
        if self._runtime.closed:
            return "LLM(closed)"
        return f"LLM({self.name!r}, architecture={self.architecture!r}, n_ctx={self.n_ctx})"

    def close(self) -> None:
        """Free the model and what its sessions hold, once the forward pass in progress has ended.

        Any later use, also of a session or of an open stream, raises Error. Only a `model` or
        `engine` that you still refer to stays in memory. Closing twice is allowed.
        """
        self._runtime.close()
        self._idle.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def activity(self) -> Activity:
        """What runs, waits and was done since the model was loaded. Any thread may ask.

        Raises Error when the model was closed.
        """
        self._runtime.loaded  # noqa: B018
        return self._runtime.scheduler.activity()

    @property
    def parallel(self) -> int:
        """How many calls at most are worked on at a time; 0: as many as memory allows.

        Others wait. It may be set at any time, and counts for what begins from then on.
        """
        return self._runtime.scheduler.parallel

    @parallel.setter
    def parallel(self, most: int) -> None:
        most = check_integer("parallel", most, 0)
        settled = self._runtime.loaded.settled
        # As many as there is memory for logits of.
        allowed = settled.parallel if settled is not None else 0
        self._runtime.scheduler.parallel = min(most or allowed, allowed) if allowed else most

    def save_prefix(self, folder: str | os.PathLike[str], text: Sequence[int]) -> int:
        """Save in `folder` what `prefix_cache` has of a text, which is given by its tokens.

        It takes the place of what was saved there before, whose pages are not written again where
        they are the same. Returns how many tokens are saved. Raises SessionError.
        """
        from pestle.llm import prefixes

        ids = token_ids("text", text)
        return prefixes.save(self._runtime, check_path("folder", folder), ids)

    def asave_prefix(self, folder: str | os.PathLike[str], text: Sequence[int]) -> Awaited[int]:
        """`save_prefix` for asyncio, in a thread. Cancelled, it returns when all is saved."""
        return in_thread(partial(self.save_prefix, folder, text))

    def load_prefix(self, folder: str | os.PathLike[str]) -> tuple[int, ...]:
        """Have `prefix_cache` hold what `save_prefix` saved, as far as it has room; its tokens.

        Raises SessionError where it cannot be used, as another model's, and FormatError.
        """
        from pestle.llm import prefixes

        return prefixes.load(self._runtime, check_path("folder", folder))

    def aload_prefix(self, folder: str | os.PathLike[str]) -> Awaited[tuple[int, ...]]:
        """`load_prefix` for asyncio, in a thread. Cancelled, it returns when all is loaded."""
        return in_thread(partial(self.load_prefix, folder))

    def expert_counts(self) -> NDArray[uint64]:
        """How many tokens each expert has served so far: (n_layers, n_experts).

        Layers without experts have served none; a model without experts has no columns.
        """
        return self.engine.expert_counts()

    def session(self) -> Session:
        """A new session: generation that keeps what it has read between calls."""
        return Session(self._runtime)

    @known_arguments
    def conversation(
        self,
        system: str | None = None,
        *,
        tools: Tools | Sequence[Tool] | None = None,
        template_args: Mapping[str, Any] | None = None,
        on_full: str = "error",
    ) -> Conversation:
        """A new chat that keeps its history, begun with a system message if there is one.

        `tools` and `template_args` are as in `chat`. `on_full`: what happens when it outgrows the
        context; "error", or "slide", which drops the oldest turns. Raises ArgumentError and
        ArgumentTypeError.
        """
        from pestle.chat.conversation import Conversation

        if not isinstance(system, (str, NoneType)):
            raise mistyped("system", system, "a string")
        messages = [] if system is None else [{"role": "system", "content": system}]
        return Conversation(
            self.session(), messages, tools=tools, template_args=template_args, on_full=on_full
        )

    @property
    def _lease(self) -> Lease:
        return self._sequence_for_a_call

    @contextmanager
    def _sequence_for_a_call(self) -> Iterator[HeldSequence]:
        """The idle sequence, or a new one; afterwards it is the idle one, if there is a model."""
        scarce = self._runtime.loaded.engine.kv_limit > 0
        try:
            sequence = self._idle.pop()  # atomic: no two calls get the same
        except IndexError:
            sequence = self._runtime.new_sequence(lasting=not scarce)
        try:
            yield sequence
        finally:
            if scarce:
                self._runtime.retire(sequence)
            elif not self._runtime.closed:
                self._idle[:] = [sequence]
