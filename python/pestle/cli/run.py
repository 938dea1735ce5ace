"""`pestle run`: one prompt, one answer."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from pestle.cli import (
    answering,
    chat,
    completion,
    exits,
    figures,
    habits,
    loading,
    sessions,
    tool_calls,
    welcome,
)
from pestle.cli.chat_options import ChatSettings, chat_options
from pestle.cli.console import current, terminal_on_stdin
from pestle.cli.loops import LoopGuard
from pestle.cli.model_options import ModelOptions, model_options
from pestle.cli.option_types import COUNT
from pestle.cli.options import json_option, system_option, unknown_characters_option, verbosity
from pestle.cli.piped import prompt_from
from pestle.cli.sampling_options import sampling_options
from pestle.cli.structure_options import structure_options
from pestle.options.values import TOOL_CHOICES

if TYPE_CHECKING:
    from pestle import LLM, ChatOptions, GenerateOptions
    from pestle.chat.tools import Tool


@click.command("run")
@click.argument("words", metavar="[MODEL] [PROMPT]...", nargs=-1, shell_complete=completion.models)
@click.option("-p", "--prompt", help="The prompt; the same as naming it without -p.")
@system_option
@click.option("--raw", is_flag=True, help="Continue the text itself: no chat template.")
@click.option(
    "--tools",
    metavar="FILE",
    help="What the model may call, as in `pestle chat`; its calls are printed as JSON, "
    "one a line, and not run.",
)
@click.option(
    "--tool-choice",
    metavar="WHICH",
    help="With --tools: auto, none, required, or the name of one that it has to call.",
)
@json_option
@click.option("--logprobs", type=COUNT, metavar="N",
              help="With --json: each token's log probability and the N likeliest.")  # fmt: skip
@model_options
@chat_options
@structure_options
@sampling_options
@unknown_characters_option
@verbosity
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    prompt: str | None,
    system: str | None,
    raw: bool,
    tools: str | None,
    tool_choice: str | None,
    as_json: bool,
    logprobs: int | None,
    options: ModelOptions,
    settings: ChatSettings,
    structure: GenerateOptions,
    sampling: GenerateOptions,
    unknown_characters: str,
) -> None:
    """Answer one prompt and exit. Several words are one prompt.

    A model's name before the prompt is the same as -m; without a prompt behind it, on a terminal, a
    chat with the model begins.

    The answer goes to stdout as it is written; on a terminal, what the model thinks goes before
    it. A pipe on stdin is the prompt, but for its last line end; with -p too, the prompt is -p's
    text, a blank line, and the pipe's text. -v adds statistics on stderr. With --session the prompt
    goes on with what was said under that name.

    Where neither the model's file nor --temp, --top-k, --top-p, --min-p or --seed says how to
    sample, the likeliest token is taken: the same prompt gives the same answer.
    """
    named = habits.named_model(words) if words and not options.is_chosen else None
    if named is not None:
        options, words = replace(options, model=named.model, hub=named.hub), named.words
    if words and prompt is not None:
        raise click.UsageError("Give the prompt once, with or without -p.")
    if raw and system is not None:
        raise click.UsageError("--raw has no chat template, so -sys has no place.")
    if raw and tools is not None:
        raise click.UsageError("--raw has no chat, so --tools has no place.")
    if tools is not None and settings.session is not None:
        raise click.UsageError("--tools and --session exclude each other here: use `pestle chat`.")
    if tool_choice is not None and tools is None:
        raise click.UsageError("--tool-choice needs --tools.")
    if raw and settings != ChatSettings():
        raise click.UsageError("--raw has no chat: its options have no place.")
    if logprobs is not None and not as_json:
        raise click.UsageError("--logprobs needs --json.")
    sampling["logprobs"] = logprobs
    sampling.update(structure)
    options = replace(options, unknown_characters=unknown_characters)
    given = " ".join(words) if words else prompt
    plain = not (raw or as_json or tools)
    if named and given is None and plain and terminal_on_stdin():
        chat.hold(ctx, system, options, settings, sampling)
        return
    offered = ToolOffer(tuple(tool_calls.load(tools)), tool_choice)
    once(ctx, given, system, options, settings, sampling, raw=raw, as_json=as_json, offered=offered)


@dataclass(frozen=True)
class ToolOffer:
    """What the model may call, and whether it has to."""

    tools: tuple[Tool, ...] = ()
    choice: str | None = None

    def options(self) -> ChatOptions:
        """The options of the library's calls."""
        if self.choice is None:
            return {}
        if self.choice in TOOL_CHOICES:
            return {"tool_choice": self.choice}
        return {"tool_choice": {"type": "function", "function": {"name": self.choice}}}


def once(
    ctx: click.Context,
    given: str | None,
    system: str | None,
    options: ModelOptions,
    settings: ChatSettings,
    sampling: GenerateOptions,
    *,
    raw: bool = False,
    as_json: bool = False,
    offered: ToolOffer | None = None,
) -> None:
    """Answer one prompt: `given`, what a pipe on stdin holds, or both."""
    offered = offered or ToolOffer()
    from pestle.cli.dialogue import Dialogue
    from pestle.errors import ContextLengthError

    console = current()
    text = prompt_from(given, console, raw=raw)
    with (
        sessions.held(settings.session) as folder,
        loading.loaded(settings.of_model(options), console) as llm,
    ):
        if not raw:
            answering.require_template(llm)
            answering.require_switches(llm, settings, sampling)
        if not _is_sampled(llm, sampling):
            sampling["temperature"] = 0.0
        dialogue = Dialogue(llm, system, sampling, settings, folder=folder) if folder else None
        if dialogue is not None:
            dialogue.take_up(console)
            try:
                stream = answering.checked(dialogue.ask, text)
            except ContextLengthError as error:
                raise ContextLengthError(exits.over_context(error)) from error
        else:
            stream = answering.begin(
                llm,
                text,
                raw=raw,
                system=system,
                options={**settings.options(sampling), **offered.options()},
                template_args=settings.template_args or None,
                tools=offered.tools,
            )
        guard = LoopGuard() if _is_guarded(settings, sampling, raw=raw) else None
        # What was said is kept in a session; without one there is nothing to do after Ctrl-C.
        with nullcontext() if dialogue is None else answering.interruptible(stream):
            if as_json:
                for _ in answering.watched(stream, guard) if guard is not None else ():
                    pass
                answer = stream.result()
                console.json(figures.as_json(llm, answer))
            else:
                answer = answering.show(
                    stream,
                    console,
                    reasoning=settings.shows_reasoning,
                    notes_calls=not offered.tools,
                    guard=guard,
                )
            for call in getattr(answer, "tool_calls", ()) if offered.tools else ():
                console.out(figures.call_line(call))
        kept = True
        if dialogue is not None:
            for line in figures.dropped_lines(dialogue.conversation.dropped):
                console.note(line)
            kept = dialogue.keep(console)
        if console.verbose:
            looped = guard is not None and guard.tripped
            for line in figures.statistics(llm, answer, looped=looped):
                console.note(line)
        if not options.is_chosen and not as_json and sys.stderr.isatty():
            console.note(welcome.AFTER_DEFAULT)
        if figures.context_is_full(llm, answer):
            console.error(_never_ended(llm, sampling))
            ctx.exit(exits.OVER_CONTEXT)
        if guard is not None and guard.tripped:
            console.note("The answer repeats itself: it ends here. --no-loop-guard lets it go on.")
        elif answer.finish_reason == "cancelled":
            ctx.exit(exits.INTERRUPTED)
        if not kept:
            ctx.exit(exits.ERROR)


def _is_guarded(settings: ChatSettings, options: GenerateOptions, *, raw: bool) -> bool:
    """Whether a loop ends the answer: not where it is to be of some form, or of some length."""
    if settings.loop_guard is not None:
        return settings.loop_guard
    bounded = ("max_tokens", "regex", "grammar", "json_schema", "choice")
    return not raw and all(options.get(name) is None for name in bounded)


def _never_ended(llm: LLM, options: GenerateOptions) -> str:
    """Of an answer that the context's end has cut, what to do about it."""
    said = f"the answer reached the end of the context, {llm.n_ctx:,} tokens"
    if options.get("regex") or options.get("grammar"):
        said += "; what it has to follow lets it go on: a bound, as in \\d{1,20}, would end it,"
        return f"{said} and so does -n"
    return f"{said}; -n ends it sooner"


def _is_sampled(llm: LLM, options: GenerateOptions) -> bool:
    asked = ("temperature", "top_k", "top_p", "min_p", "seed")
    return llm.sampling_source is not None or any(options.get(name) is not None for name in asked)
