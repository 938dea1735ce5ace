"""`pestle chat`: a conversation in the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from pestle.cli import (
    answering,
    exits,
    figures,
    habits,
    loading,
    sessions,
    tool_calls,
    units,
    welcome,
)
from pestle.cli.chat_options import ChatSettings, chat_options
from pestle.cli.console import Console, current, terminal_on_stdin
from pestle.cli.harmless import escaped
from pestle.cli.options import (
    ModelOptions,
    model_options,
    sampling_options,
    system_option,
    unknown_characters_option,
    verbosity,
)
from pestle.cli.structure_options import structure_options

if TYPE_CHECKING:
    from pestle import LLM, GenerateOptions, Stream
    from pestle.cli.dialogue import Dialogue


class MessageSource(Protocol):
    """Where messages come from."""

    def read(self) -> str:
        """The next message. Raises EOFError at the end and KeyboardInterrupt on Ctrl-C."""

    @property
    def discarded(self) -> bool:
        """Whether the Ctrl-C that ended `read` threw text away."""


@click.command("chat")
@click.argument("words", metavar="[MODEL] [MESSAGE]...", nargs=-1)
@system_option
@click.option(
    "--tools",
    metavar="FILE",
    help="What the model may call: a Python module's functions, or a JSON list of "
    "tools, whose results you give.",
)
@click.option("--yes", is_flag=True, help="Run the functions that it calls without asking.")
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
    Ctrl-C stops an answer and keeps what was said; Ctrl-D leaves. A pipe on stdin is one message:
    it is answered, and that is all.
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
    from pestle.cli.dialogue import Dialogue

    known = tool_calls.load(tools)
    with (
        sessions.held(settings.session) as folder,
        loading.loaded(settings.of_model(options), console) as llm,
    ):
        answering.require_template(llm)
        answering.require_switches(llm, settings, sampling)
        words = {command.name: command.words for command in COMMANDS.values()}
        completer = CommandCompleter(words, {c.name: c.help for c in COMMANDS.values()})
        source = ChatInput(console, completer)
        console.note(_greeting(llm))
        for line in [] if options.is_chosen else welcome.better_than_default():
            console.note(line)
        dialogue = Dialogue(llm, system, sampling, settings, known, folder)
        dialogue.take_up(console)
        approval = tool_calls.Approval(console, allowed=allowed)
        kept = converse(dialogue, source, console, approval, message)
    if not kept:
        ctx.exit(exits.ERROR)


def _greeting(llm: LLM) -> str:
    facts = f"{units.count(llm.model.n_params)} parameters, context {llm.n_ctx:,}"
    return f"{escaped(Path(llm.path).stem)}: {facts}\n/help lists the commands, Ctrl-D leaves."


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
        kept = dialogue.keep(console)
    return kept


def _turn(text: str, dialogue: Dialogue, console: Console, approval: tool_calls.Approval) -> bool:
    """Answer one message, or carry out one command; whether the chat goes on.

    It does after an error, which is said.
    """
    from pestle import errors
    from pestle.cli import chat_commands
    from pestle.cli.dialogue import RefusedError

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
        console.error(f"{exits.over_context(error)}; /clear begins anew")
    except (RefusedError, ValueError, errors.Error) as error:
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
    with answering.interruptible(stream):
        answer = answering.show(stream, console, reasoning=dialogue.settings.shows_reasoning)
    console.note(figures.status_line(dialogue.llm, answer))
    if console.verbose:
        for line in figures.reuse_lines(dialogue.llm, answer):
            console.note(line)
    if figures.context_is_full(dialogue.llm, answer):
        slides = dialogue.conversation.on_full == "slide"
        next_turn = "The next turn drops the oldest." if slides else "/clear begins anew."
        console.note(f"The context is full, so the answer ends here. {next_turn}")
    elif answer.finish_reason == "length":
        console.note("The answer was ended by -n; /set max-tokens changes it.")
    return answer
