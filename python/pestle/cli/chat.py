"""`pestle chat`: a conversation in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import click

from pestle.cli import (
    answering,
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
from pestle.cli.console import Console, current, terminal_on_stdin
from pestle.cli.loops import LoopGuard
from pestle.cli.model_options import ModelOptions, model_options
from pestle.cli.options import system_option, unknown_characters_option, verbosity
from pestle.cli.sampling_options import sampling_options
from pestle.cli.structure_options import structure_options

if TYPE_CHECKING:
    from pestle import LLM, GenerateOptions, Stream
    from pestle.cli.chat_model import ModelSeat
    from pestle.cli.dialogue import Dialogue


class MessageSource(Protocol):
    """Where messages come from."""

    def read(self) -> str:
        """The next message. Raises EOFError at the end and KeyboardInterrupt on Ctrl-C."""

    @property
    def discarded(self) -> bool:
        """Whether the Ctrl-C that ended `read` threw text away."""


@click.command("chat")
@click.argument("words", metavar="[MODEL] [MESSAGE]...", nargs=-1, shell_complete=completion.models)
@system_option
@click.option(
    "--tools",
    metavar="FILE",
    help="What the model may call: a Python module's functions, or a JSON list of "
    "tools, whose results you give.",
)
@click.option("--yes", is_flag=True, help="Run the functions that it calls without asking you.")
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
    system: str | None,
    tools: str | None,
    yes: bool,
    options: ModelOptions,
    settings: ChatSettings,
    structure: GenerateOptions,
    sampling: GenerateOptions,
    unknown_characters: str,
) -> None:
    """Talk to a model.

    MODEL is the same as -m, and a MESSAGE is the first one. /help in the chat lists its commands.
    Ctrl-C stops an answer and keeps what was said; Ctrl-D leaves. Text piped into
    stdin is one message, which is answered, and no chat begins.
    """
    sampling.update(structure)
    options = replace(options, unknown_characters=unknown_characters)
    named = habits.named_model(words) if words and not options.is_chosen else None
    if named is not None:
        options, words = replace(options, model=named.model, hub=named.hub), named.words
    message = " ".join(words) if words else None
    if terminal_on_stdin():
        hold(ctx, system, options, settings, sampling, message=message, tools=tools, allowed=yes)
        return
    if tools is not None:
        raise click.UsageError("--tools needs a terminal: its calls are to be confirmed.")
    from pestle.cli import run

    run.once(ctx, message, system, options, settings, sampling)


def hold(
    ctx: click.Context,
    system: str | None,
    options: ModelOptions,
    settings: ChatSettings,
    sampling: GenerateOptions,
    *,
    message: str | None = None,
    tools: str | None = None,
    allowed: bool = False,
) -> None:
    """Hold a chat on the terminal, which may begin with a message.

    `tools`: the file of --tools; `allowed`: run what the model calls without asking.
    """
    console = current()
    from pestle.cli.chat_commands import COMMANDS
    from pestle.cli.chat_input import ChatInput, CommandCompleter
    from pestle.cli.chat_model import greeting
    from pestle.cli.dialogue import Dialogue, usual_limit

    known = tool_calls.load(tools)
    with (
        sessions.held(settings.session) as folder,
        loading.loaded(settings.of_model(options), console) as llm,
        ExitStack() as stack,
    ):
        answering.require_template(llm)
        answering.require_switches(llm, settings, sampling)
        words = {command.name: command.words for command in COMMANDS.values()}
        completer = CommandCompleter(words, {c.name: c.help for c in COMMANDS.values()})
        source = ChatInput(console, completer)
        console.note(f"{greeting(llm)}\n/help lists the commands, Ctrl-D leaves.")
        for line in [] if options.is_chosen else welcome.better_than_default():
            console.note(line)
        settings = replace(settings, on_full=settings.on_full or "slide")
        dialogue = Dialogue(llm, system, sampling, settings, known, folder)
        dialogue.default_limit = usual_limit(llm)
        dialogue.seat = stack.enter_context(_seat(options, llm, console))
        dialogue.take_up(console)
        for line in sessions.recap(dialogue.conversation.messages):
            console.note(line)
        approval = tool_calls.Approval(console, allowed=allowed)
        kept = converse(dialogue, source, console, approval, message)
    if not kept:
        ctx.exit(exits.ERROR)


@contextmanager
def _seat(options: ModelOptions, llm: LLM, console: Console) -> Iterator[ModelSeat | None]:
    """What may change the model; none where its experts are counted, which is of one model."""
    from pestle.cli.chat_model import ModelSeat

    if options.expert_stats is not None:
        yield None
        return
    seat = ModelSeat(options, llm, console)
    try:
        yield seat
    finally:
        if seat.llm is not llm:
            seat.llm.close()


def converse(
    dialogue: Dialogue,
    source: MessageSource,
    console: Console,
    approval: tool_calls.Approval | None = None,
    message: str | None = None,
) -> bool:
    """Read messages and answer them until the person leaves; whether all that was said is kept.

    `message` is the first one, if it is there already.
    """
    approval = approval or tool_calls.Approval(console, allowed=False)
    dialogue.console = console
    going = kept = True
    while going:
        try:
            text, message = source.read() if message is None else message, None
        except EOFError:
            break
        except KeyboardInterrupt:
            if not source.discarded:
                console.note("Ctrl-D or /bye leaves.")
            continue
        try:
            going = _turn(text, dialogue, console, approval)
        except KeyboardInterrupt:
            console.note("Stopped.")
            _keep_question(dialogue, None, console)
        try:
            kept = dialogue.keep(console)
        except KeyboardInterrupt:
            kept = False
    return kept


def _turn(text: str, dialogue: Dialogue, console: Console, approval: tool_calls.Approval) -> bool:
    """Answer one message, or carry out one command; whether the chat goes on.

    It does after an error, which is said.
    """
    from pestle import errors
    from pestle.cli import chat_commands
    from pestle.cli.refusal import RefusedError

    try:
        if chat_commands.is_command(text):
            result = chat_commands.carry_out(text, dialogue)
        else:
            result = dialogue.ask(text)
        if result is None:
            return False
        if isinstance(result, list):
            for line in result:
                console.out(line)
        else:
            _answer(result, dialogue, console, approval)
    except errors.ContextLengthError as error:
        dialogue.drop_question()
        console.error(f"{exits.over_context(error)}; /clear begins anew")
    except (RefusedError, ValueError, errors.Error) as error:
        dialogue.drop_question()
        console.error(exits.in_flags(str(error)))
    return True


def _answer(
    stream: Stream[Any], dialogue: Dialogue, console: Console, approval: tool_calls.Approval
) -> None:
    """Show an answer and, while it calls tools, what the model says to their results."""
    for _ in range(tool_calls.MOST_ROUNDS):
        answer = _show(stream, dialogue, console)
        calls = answer.tool_calls if answer.finish_reason == "stop" else ()
        following = dialogue.go_on(calls, approval)
        if following is None:
            return
        stream = following
    _show(stream, dialogue, console)
    console.note(f"The model has called tools {tool_calls.MOST_ROUNDS} times: this is enough.")


def _show(stream: Stream[Any], dialogue: Dialogue, console: Console) -> Any:
    for line in figures.dropped_lines(dialogue.conversation.dropped):
        console.note(line)
    guard = LoopGuard() if dialogue.guards else None
    with answering.interruptible(stream):
        answer = answering.show(
            stream, console, reasoning=dialogue.settings.shows_reasoning, guard=guard
        )
    if _keep_question(dialogue, answer, console):
        return answer
    console.note(figures.status_line(dialogue.llm, answer))
    if console.verbose:
        for line in figures.turn_lines(dialogue.llm, answer):
            console.note(line)
    if guard is not None and guard.tripped:
        console.note(
            "The answer repeats itself, so it ends here. /regen tries again, and "
            "/set loop-guard off lets it go on."
        )
    elif figures.context_is_full(dialogue.llm, answer):
        slides = dialogue.conversation.on_full == "slide"
        next_turn = "The next turn drops the oldest." if slides else "/clear begins anew."
        console.note(f"The context is full, so the answer ends here. {next_turn}")
    elif answer.finish_reason == "length":
        n = answer.usage.completion_tokens
        console.note(f"The answer was ended at {_tokens(n)}: /set max-tokens changes the limit.")
    return answer


def _tokens(n: int) -> str:
    return f"{n:,} token{'' if n == 1 else 's'}"


def _keep_question(dialogue: Dialogue, answer: Any, console: Console) -> bool:
    """Say that a message stays whose answer was stopped before it began; whether it was."""
    if not dialogue.keep_question(answer):
        return False
    console.note("Stopped before the answer began. Your message is kept: /regen answers it.")
    return True
