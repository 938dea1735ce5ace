"""From requests to generations that have not begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pestle.chat.call_ids import call_ids
from pestle.chat.characters import encoded
from pestle.chat.entry import check_prompt
from pestle.chat.requests import ChatRequest, TextRequest
from pestle.chat.structure import untaught_calls
from pestle.engine.answer import Answer
from pestle.engine.run import Lease, Run
from pestle.formats import Reader
from pestle.results import ChatCompletion, Completion
from pestle.tokenizer import Detokenizer

if TYPE_CHECKING:
    from pestle.engine.loaded import Loaded
    from pestle.engine.runtime import Runtime


def text_run(
    runtime: Runtime, lease: Lease, request: TextRequest, *, client: str = ""
) -> Run[Completion]:
    """The continuation of a text; `client` is whom it is for."""
    tokenizer = runtime.loaded.tokenizer  # what makes answers must not keep the model

    def answer() -> Answer:
        # A completion goes on from where its prompt ended.
        reader = Reader(Detokenizer(tokenizer, at_start=False))
        return Answer(reader, request.generation.stop)

    return Run(
        runtime,
        lease,
        request.prompt,
        request.generation,
        Completion,
        answer,
        constraint=None if request.plan is None else request.plan.constraint(),
        notes=request.notes,
        client=client,
        parser=request.parser,
    )


def chat_run(
    runtime: Runtime,
    lease: Lease,
    request: ChatRequest,
    on_end: Callable[[ChatCompletion], None] | None = None,
    *,
    client: str = "",
) -> Run[ChatCompletion]:
    """The answer to a chat; `on_end` hears of its end, early or not. `client` is whom it is for.

    Raises as `chat` does, for what its prompt's tokens decide.
    """
    loaded, options = runtime.loaded, request.options
    tokens, notes = chat_tokens(loaded, request)
    check_prompt(loaded, tokens)
    plan = None if options.planner is None else options.planner.plan(tokens)
    tokenizer, form = loaded.tokenizer, loaded.format  # as above

    def answer() -> Answer:
        parser = None
        if form is not None:
            must_call = options.wanted is not None and options.wanted.must_call
            known = options.tools.described or None
            parser = form.parser(tokens, known, must_call=must_call)
        untaught = untaught_calls(options.told, options.wanted, options.choice)
        reader = Reader(Detokenizer(tokenizer), parser, untaught)
        drawn = options.generation.sampling.temperature > 0  # else the seed decides nothing
        ids = call_ids(request.messages, tokens, options.generation.seed if drawn else None)
        return Answer(reader, options.generation.stop, ids, options.one_call, options.choice.allows)

    return Run(
        runtime,
        lease,
        tokens,
        options.generation,
        ChatCompletion,
        answer,
        options.lead_out if plan is None or plan.lead_out is None else plan.lead_out,
        on_end,
        None if plan is None else plan.constraint(),
        notes,
        client,
        options.parser,
    )


def chat_tokens(loaded: Loaded, request: ChatRequest) -> tuple[list[int], tuple[str, ...]]:
    """The tokens of a chat, and what was replaced in it, in words. Raises TemplateError."""
    template = loaded.template
    assert template is not None  # or there would be no request
    given = {
        "messages": request.messages,
        "tools": request.options.told,
        **request.variables,
    }
    return encoded(loaded, given, lambda given: template.encode(**given))
