"""`pestle chat`: turns, commands and errors, with prepared messages in place of a terminal."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pestle.cli import chat, sessions, welcome
from pestle.cli.console import Console
from pestle.cli.dialogue import Dialogue
from pestle.errors import ContextLengthError, ModelNotFoundError
from pestle.options import Sampling

from .conftest import Pestle
from .fakes import ANSWER, FakeLLM

STATUS = "6 tokens, 100.0 tok/s, context {}/100\n"
PARAMETERS = (
    "max-tokens, stop, seed, temp, top-k, top-p, min-p, repeat-penalty, repeat-last-n, "
    "frequency-penalty, presence-penalty, speculation, reasoning-effort, reasoning-budget"
)


class Script:
    """Messages one after another; an exception in their place is raised."""

    def __init__(self, messages: Sequence[str | BaseException], discarded: bool = False) -> None:
        self.messages = list(messages)
        self.discarded = discarded

    def read(self) -> str:
        if not self.messages:
            raise EOFError
        message = self.messages.pop(0)
        if isinstance(message, BaseException):
            raise message
        return message


class Talk:
    """A chat that was held: its state, and what it wrote."""

    def __init__(self, dialogue: Dialogue, out: str, err: str, left: list[object]) -> None:
        self.dialogue, self.out, self.err, self.left = dialogue, out, err, left


Hold = Callable[..., Talk]


@pytest.fixture
def hold(capsys: pytest.CaptureFixture[str]) -> Hold:
    """Hold a chat."""

    def run(
        llm: FakeLLM, *messages: str | BaseException, system: str | None = None,
        quiet: bool = False, discarded: bool = False, seat: Any = None, **sampling: object,
    ) -> Talk:  # fmt: skip
        dialogue = Dialogue(llm, system, sampling)  # type: ignore[arg-type]
        dialogue.seat = seat
        script = Script(messages, discarded)
        chat.converse(dialogue, script, Console(quiet=quiet))
        written = capsys.readouterr()
        return Talk(dialogue, written.out, written.err, list(script.messages))

    return run


def test_turns_build_on_each_other(hold: Hold) -> None:
    llm = FakeLLM(ANSWER, "About two million.")
    talk = hold(llm, "What is the capital of France?", "How many live there?")
    assert talk.out == f"{ANSWER}\nAbout two million.\n"
    assert talk.err == (STATUS.format(12) + "3 tokens, 100.0 tok/s, context 17/100\n")
    assert [message["content"] for message in llm.asked[1][0]] == [
        "What is the capital of France?", ANSWER, "How many live there?",
    ]  # fmt: skip


def test_quiet_has_no_status(hold: Hold) -> None:
    assert hold(FakeLLM(), "Hello", quiet=True).err == ""


def test_bye_leaves(hold: Hold) -> None:
    talk = hold(FakeLLM(), "/bye", "Hello")
    assert (talk.out, talk.err, talk.left) == ("", "", ["Hello"])


def test_interrupt_at_the_prompt(hold: Hold) -> None:
    assert hold(FakeLLM(), KeyboardInterrupt()).err == "Ctrl-D or /bye leaves.\n"
    assert hold(FakeLLM(), KeyboardInterrupt(), discarded=True).err == ""


@pytest.mark.parametrize(
    "line", ["/exit", "/quit", "/q", "/BYE", "exit", "Quit", "quit()", " exit ", ":q"]
)
def test_ways_to_leave(hold: Hold, line: str) -> None:
    talk = hold(FakeLLM(), line, "Hello")
    assert (talk.out, talk.err, talk.left) == ("", "", ["Hello"])


def test_interrupted_answer_is_kept(hold: Hold) -> None:
    llm = FakeLLM("Once upon", error=KeyboardInterrupt())
    talk = hold(llm, "Tell a story")
    assert (talk.out, talk.err) == ("Once upon", "Stopped.\n")
    assert talk.dialogue.conversation.messages[-1] == {
        "role": "assistant",
        "content": "Once upon",
    }


def test_clear_keeps_the_system_message(hold: Hold) -> None:
    llm = FakeLLM()
    talk = hold(llm, "One", "/clear", "Two", system="Be brief.")
    assert "The conversation begins anew.\n" in talk.out
    assert llm.asked[1][0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Two"},
    ]


def test_regen_replaces_the_answer(hold: Hold) -> None:
    llm = FakeLLM("First.", "Second.")
    talk = hold(llm, "Hello", "/regen", seed=5)
    assert talk.out == "First.\nSecond.\n"
    assert [options["seed"] for _, options in llm.asked] == [5, 6]
    assert [m["content"] for m in talk.dialogue.conversation.messages] == ["Hello", "Second."]


def test_system(hold: Hold) -> None:
    llm = FakeLLM()
    talk = hold(llm, "/show system", "/system Be brief.", "/show system", "Hi", "/system", "Hi")
    assert talk.out == (
        "There is no system message.\nThe system message is set.\nBe brief.\n"
        f"{ANSWER}\nThe system message is removed.\n{ANSWER}\n"
    )
    assert [messages[0]["role"] for messages, _ in llm.asked] == ["system", "user"]


def test_set(hold: Hold) -> None:
    llm = FakeLLM()
    talk = hold(llm, "/set temp 0.5", "/set stop END OF", "Hi", "/set temp default", "/show params")
    assert llm.asked[0][1] == {"temperature": 0.5, "stop": ("END OF",)}
    assert talk.out == (
        "temp is 0.5.\nstop is END OF.\n" + ANSWER + "\ntemp is default.\n"
        "max-tokens         no limit          default\n"
        "stop               'END OF'\n"
        "seed               random            default\n"
        "temp               0.6               default\n"
        "top-k              40                default\n"
        "top-p              0.95              default\n"
        "min-p              0.05              default\n"
        "repeat-penalty     1.0               default\n"
        "repeat-last-n      64                default\n"
        "frequency-penalty  0.0               default\n"
        "presence-penalty   0.0               default\n"
        "speculation        on                default\n"
        "reasoning-effort   the model's       default\n"
        "reasoning-budget   no limit          default\n"
        "on-full            error\n"
        "loop-guard         on\n"
        "defaults by        the model's file\n"
    )


def test_speculation_is_switched(hold: Hold) -> None:
    llm = FakeLLM()
    talk = hold(llm, "/set speculation off", "Hi", "/show params", "/set speculation maybe")
    assert llm.asked[0][1] == {"speculation": False}
    assert "speculation        off\n" in talk.out
    assert "speculation: 'maybe' is not a valid boolean" in talk.err


def test_thinking_is_switched(hold: Hold) -> None:
    llm = FakeLLM(template="{% if enable_thinking %}{% endif %}")
    talk = hold(llm, "/set nothink", "Hi")
    assert talk.out == f"Thinking is off.\n{ANSWER}\n"
    assert llm.asked[0][1] == {"reasoning": False}


def test_how_much_it_thinks_is_set(hold: Hold) -> None:
    """By the flags' own names and values, where the model has the switch."""
    llm = FakeLLM(template="{% if enable_thinking %}{% endif %}")
    sets = ("/set reasoning-budget 9", "/set reasoning-effort low", "/set reasoning-effort much")
    talk = hold(llm, *sets, "Hi", "/show params")
    assert llm.asked[0][1] == {"reasoning_budget": 9, "reasoning_effort": "low"}
    assert "reasoning-budget   9\n" in talk.out
    assert "'much' is not one of 'low', 'medium', 'high'" in talk.err
    llm = FakeLLM()
    refused = hold(llm, "/set reasoning-budget 9", "Hi")
    assert "Fake 1B has no switch for reasoning." in refused.err
    assert llm.asked[0][1] == {}


def test_show_info_and_template(hold: Hold) -> None:
    talk = hold(FakeLLM(template="{{ a }}\n{{ b }}"), "/show info", "/show template")
    assert talk.out == (
        "model            Fake 1B\n"
        "file             /models/fake.Q4_1.gguf\n"
        "architecture     llama, 1.00B parameters\n"
        "weights          600 MB\n"
        "context          0 of 100 tokens\n"
        "keys and values  2.00 MB, 500 kB of it of earlier texts\n"
        "threads          2, 4 to read\n"
        "{{ a }}\n{{ b }}\n"
    )


def test_help(hold: Hold) -> None:
    assert hold(FakeLLM(), "/help").out == (
        "/help                              this list\n"
        "/bye                               leave; so do /exit and /quit\n"
        "/clear                             forget what was said\n"
        "/regen                             answer the last message again\n"
        "/file PATH [MESSAGE]               send a text file with this message, or the next one\n"
        "/model [NAME]                      switch to another model; the conversation stays\n"
        "/copy [all]                        copy the last code block, or the answer\n"
        "/save NAME                         save the conversation, with what was read of it\n"
        "/load NAME                         resume a saved conversation\n"
        "/show info|params|template|system  the model, the parameters, ...\n"
        '/set [PARAMETER VALUE]             a parameter, as temp; "default" unsets it; alone: all '
        "of them\n"
        "/system TEXT                       the system message; without TEXT, remove it\n"
        "Enter                              send the message\n"
        "Alt-Enter                          begin a new line in it\n"
        '"""                                begins and ends a message of several lines\n'
        "Ctrl-C                             stop the answer; what was said is kept\n"
        "Ctrl-D                             leave\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/foo", "There is no command /foo: /help lists them. A space before / sends it."),
        ("/clear now", "/clear takes nothing after it."),
        ("/regen", "There is no answer yet."),
        ("/set temp", "/set needs a parameter and its value, as in /set temp 0.5."),
        ("/set temp hot", "temp: 'hot' is not a number."),
        ("/set temp -1", "temp: -1 is out of range: 0 or more is expected."),
        ("/set think", "Fake 1B has no switch for reasoning."),
        ("/set heat 1", f"There is no parameter heat: {PARAMETERS}."),
        ("/show", "/show knows info, params, template, system."),
    ],
)  # fmt: skip
def test_refused(hold: Hold, line: str, message: str) -> None:
    talk = hold(FakeLLM(), line, "Hello")
    assert talk.err == f"pestle: error: {message}\n" + STATUS.format(7)
    assert talk.out == f"{ANSWER}\n"


@pytest.mark.parametrize(
    "text", ["/no_think Hello", "/think", "/etc/passwd", " /help", "exit the house"]
)
def test_messages_that_look_like_commands(hold: Hold, text: str) -> None:
    llm = FakeLLM()
    hold(llm, text)
    assert llm.asked[0][0] == [{"role": "user", "content": text}]


def test_long_message_is_refused(hold: Hold) -> None:
    talk = hold(FakeLLM(n_ctx=8), "one two three four five six seven eight nine", "Hi")
    assert talk.err.startswith(
        "pestle: error: the prompt has 9 tokens, the context holds 8; -c sets another size, and "
        "--on-full slide drops the oldest turns of a chat; /clear begins anew\n"
    )
    assert len(talk.dialogue.conversation.messages) == 2


def test_full_context_is_said(hold: Hold) -> None:
    talk = hold(FakeLLM(n_ctx=3), "Hi")
    assert talk.out == "The capital\n"
    assert talk.err == (
        "2 tokens, 100.0 tok/s, context 3/3\n"
        "The context is full, so the answer ends here. /clear begins anew.\n"
    )


def test_limit_of_tokens_is_said(hold: Hold) -> None:
    talk = hold(FakeLLM(), "Hi", max_tokens=1)
    assert talk.err == (
        "1 token, context 2/100\n"
        "The answer was ended at 1 token: /set max-tokens changes the limit.\n"
    )


def test_pipe_is_one_message(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("chat", "-sys", "Be brief.", stdin="/help\nHello\n")
    assert (result.stdout, result.stderr, result.exit_code) == (f"{ANSWER}\n", "", 0)
    assert llm.asked[0][0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "/help\nHello"},
    ]


def test_copy(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last code block, as it was said; else the answer."""
    code = "def f():\n    return 1\n"
    answer = f"First:\n```py\nx\n```\nthen:\n~~~\n{code}~~~\nDone."
    assert "There is no answer yet." in hold(FakeLLM(), "/copy").err
    assert "no clipboard" in hold(FakeLLM(), "Hi", "/copy").err
    monkeypatch.setattr("pestle.cli.chat_commands.understands_escapes", lambda stream: True)
    said = hold(FakeLLM(answer, ANSWER), "Hi", "/copy", "/copy all", "Hi", "/copy").out
    copied = [base64.b64decode(each).decode() for each in re.findall("\x1b]52;c;(.*?)\a", said)]
    assert copied == [code, answer, ANSWER]


def typed_lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types on the terminal that there is from now on."""
    from pestle.cli import chat_input

    lines: list[str] = []

    class Typed:
        discarded = False

        def __init__(self, *arguments: Any) -> None:
            pass

        def read(self) -> str:
            if not lines:
                raise EOFError
            return lines.pop(0)

    monkeypatch.setattr(chat, "terminal_on_stdin", lambda: True)
    monkeypatch.setattr(chat_input, "ChatInput", Typed)
    return lines


def test_run_with_a_model_alone_is_a_chat(
    pestle: Pestle, llm: FakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, as in Ollama; and `chat` may begin with a message."""
    from pestle.cli import run

    monkeypatch.setattr(run, "terminal_on_stdin", lambda: True)
    lines = typed_lines(monkeypatch)
    for command, typed in (
        (["run", "llama3.2-1b"], "Hello"),
        (["chat", "llama3.2-1b"], "Hello"),
        (["chat", "llama3.2-1b", "Hello"], None),
    ):
        lines[:] = [typed] if typed is not None else []
        result = pestle(*command)
        assert (result.stdout, result.exit_code) == (f"{ANSWER}\n", 0)
        assert "/help lists the commands" in result.stderr
        assert llm.loaded_with.model == "llama3.2-1b"
        assert llm.asked.pop() == ([{"role": "user", "content": "Hello"}], {"max_tokens": 50})
    lines[:] = ["/set"]
    defaults = [line.split() for line in pestle("chat", "llama3.2-1b").stdout.splitlines()]
    assert ["max-tokens", "50", "default"] in defaults
    assert ["on-full", "slide"] in defaults
    lines[:] = ["/set max-tokens off", "Hello"]
    pestle("chat", "llama3.2-1b")
    assert llm.asked.pop()[1] == {}


def test_a_chat_whose_last_save_failed(
    pestle: Pestle, llm: FakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit code says so, as that of `run` does."""
    monkeypatch.setattr(welcome, "better_than_default", list)
    lines = typed_lines(monkeypatch)
    lines[:] = ["Hello", "Again"]
    kept = [False, True]
    monkeypatch.setattr(Dialogue, "keep", lambda self, console: kept.pop())
    assert pestle("chat").exit_code == 1
    lines[:], kept[:] = ["Hello", "Again"], [True, False]
    assert pestle("chat").exit_code == 0


def test_commands_in_any_case_and_by_other_names(hold: Hold) -> None:
    llm = FakeLLM()
    talk = hold(llm, "/SET Temp 0.5", "Hi", "/NEW", "/?", "/Show Parameters", "/INFO", "/retry")
    assert talk.dialogue.conversation.messages == []
    assert "The conversation begins anew.\n/help  " in talk.out
    assert "temp               0.5\n" in talk.out
    assert "model            Fake 1B\n" in talk.out
    assert "There is no answer yet." in talk.err
    assert len(llm.asked) == 1


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (["/set temperature 0.5"], {"temperature": 0.5}),
        (["/set parameter temperature 0.5"], {"temperature": 0.5}),
        (["/set temp=0.5"], {"temperature": 0.5}),
        (["/set top_p 0.5", "/set --top-k 3"], {"top_p": 0.5, "top_k": 3}),
        (["/set max_tokens 9"], {"max_tokens": 9}),
        (["/set num_predict 9", "/set n off"], {}),
        (["/set repetition_penalty 1.1"], {"repeat_penalty": 1.1}),
        (["/set seed 7", "/set SEED default"], {}),
    ],
)
def test_settings_by_other_names(hold: Hold, lines: list[str], asked: dict[str, object]) -> None:
    llm = FakeLLM()
    talk = hold(llm, *lines, "Hi")
    assert llm.asked[0][1] == asked
    assert "error" not in talk.err


def test_settings_that_are_no_parameters(hold: Hold) -> None:
    llm = FakeLLM(template="{% if enable_thinking %}{% endif %}")
    talk = hold(
        llm, "/set system Be brief.", "/set reasoning off", "/set verbose", "/set on_full slide",
        "/set loop-guard off", "Hi", "/set quiet",
    )  # fmt: skip
    assert llm.asked[0] == (
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        {"reasoning": False},
    )
    assert "6 tokens read at" not in talk.out
    assert "10.0 ms/token, 50.0 GB/s, first token after 0.06 s, seed 42\n" in talk.err
    assert talk.dialogue.conversation.on_full == "slide"
    assert talk.dialogue.guards is False
    for line, message in (
        ("/set on-full maybe", "on-full: 'maybe' is not one of error, slide."),
        ("/set loop-guard 7", "loop-guard: '7' is neither on nor off."),
        ("/set num_ctx 4096", "The context is set as a chat begins: pestle chat -c 16384."),
    ):
        assert message in hold(FakeLLM(), line).err
    everything = hold(FakeLLM(), "/set").out
    assert everything == hold(FakeLLM(), "/show params").out


def test_stopped_before_the_answer_began(hold: Hold) -> None:
    """The message stays: /regen answers it, and another one goes with it."""
    llm = FakeLLM(ANSWER)
    llm.interrupted = 1
    talk = hold(llm, "A long text.", "/regen")
    assert talk.out == f"{ANSWER}\n"
    assert "Your message is kept: /regen answers it.\n" in talk.err
    assert [messages for messages, _ in llm.asked] == [
        [{"role": "user", "content": "A long text."}]
    ] * 2
    assert len(talk.dialogue.conversation.messages) == 2

    llm = FakeLLM(ANSWER)
    llm.interrupted = 1
    talk = hold(llm, "A long text.", "And a question.", "Another.")
    assert llm.asked[1][0] == [{"role": "user", "content": "A long text.\n\nAnd a question."}]
    assert [m["role"] for m in talk.dialogue.conversation.messages] == ["user", "assistant"] * 2


def test_a_message_that_is_refused_keeps_the_one_before(hold: Hold) -> None:
    llm = FakeLLM(n_ctx=8)
    llm.interrupted = 1
    talk = hold(llm, "One two.", "three four five six seven eight nine")
    assert "the prompt has 8 tokens" not in talk.err
    assert "the context holds 8" in talk.err
    assert talk.dialogue.conversation.messages == [{"role": "user", "content": "One two."}]


def test_a_message_whose_answer_fails(hold: Hold) -> None:
    """It is gone, what waited before it is not; so a chat cannot die of one message."""
    full = ContextLengthError("the prompt has 9 tokens, the context holds 8")
    llm = FakeLLM("Never.", error=full)
    llm.interrupted = 1
    talk = hold(llm, "One.", "Two.")
    assert "the context holds 8" in talk.err
    assert talk.dialogue.conversation.messages[0] == {"role": "user", "content": "One.\n\nTwo."}
    llm = FakeLLM("x", error=full)
    llm.silent = True
    llm.interrupted = 1
    talk = hold(llm, "One.", "Two.")
    assert talk.dialogue.conversation.messages == [{"role": "user", "content": "One."}]


def test_a_loop_ends(hold: Hold) -> None:
    said = "\n".join(f"{n}. It is a very good thing to have." for n in range(40))
    talk = hold(FakeLLM(said, n_ctx=1000), "Hi")
    assert "The answer repeats itself, so it ends here. /regen tries again" in talk.err
    assert talk.out.count("very good") <= 13
    assert talk.dialogue.conversation.messages[-1]["content"].count("very good") <= 13
    talk = hold(FakeLLM(said, n_ctx=1000), "/set loop-guard off", "Hi")
    assert talk.out.count("very good") == 40


def test_another_answer_of_a_model_that_is_asked_greedily(hold: Hold) -> None:
    """It would be the same one."""
    llm = FakeLLM()
    llm.sampling = Sampling(temperature=0)
    hold(llm, "Hi", "/regen", "Hi", "/set temp 0", "/regen")
    assert [options for _, options in llm.asked] == [
        {}, {"temperature": 0.7}, {}, {"temperature": 0.0},
    ]  # fmt: skip


def test_files(hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my notes.txt").write_text("Ships ```sail```.\n```\ncode\n```\n")
    whole = "my notes.txt:\n````\nShips ```sail```.\n```\ncode\n```\n````"
    for lines in (
        ["/file my notes.txt", "Why?"],
        ['/file "my notes.txt" Why?'],
        ["/READ 'my notes.txt'", "Why?"],
    ):
        llm = FakeLLM()
        talk = hold(llm, *lines)
        assert llm.asked[0][0] == [{"role": "user", "content": f"{whole}\n\nWhy?"}]
        assert ("my notes.txt: 9 tokens, 9% of the context." in talk.out) == (len(lines) == 2)
    llm = FakeLLM()
    hold(llm, "/file my notes.txt", "/clear", "Why?")
    assert llm.asked[0][0] == [{"role": "user", "content": "Why?"}]


def test_files_that_are_no_text(
    hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pdf").write_bytes(b"%PDF-1.7 ...")
    Path("a.bin").write_bytes(b"ab\xff")
    Path("nul").write_bytes(b"a\0b")
    Path("empty.txt").touch()
    Path("long.txt").write_text("word " * 200)
    for line, message in (
        ("/file", "/file needs a path"),
        ("/file gone.txt", "gone.txt: No such file or directory."),
        ("/file .", "Is a directory."),
        ("/file a.pdf Why?", "a.pdf is a PDF; its text is wanted"),
        ("/file a.bin", "a.bin is not UTF-8 text (byte 2)."),
        ("/file nul", "nul is not text: it holds NUL bytes."),
        ("/file empty.txt", "empty.txt is empty."),
        ("/file long.txt", "long.txt has 203 tokens, the context holds 100."),
    ):
        llm = FakeLLM()
        assert message in hold(llm, line).err
        assert llm.asked == []


class Seat:
    """Stands in for what loads another model."""

    def __init__(self, llm: FakeLLM, others: dict[str, FakeLLM]) -> None:
        self.llm, self.others = llm, others

    def change(self, name: str) -> FakeLLM:
        if name not in self.others:
            raise ModelNotFoundError(f"no file and no model is called {name}")
        self.llm = self.others[name]
        return self.llm


def test_another_model(hold: Hold) -> None:
    first, second = FakeLLM("First."), FakeLLM("Second.")
    second.name = second.path = "/models/second.gguf"
    talk = hold(
        first, "Hi", "/model", "/set temp 0.1", "/model gone", "/model second", "Again",
        seat=Seat(first, {"second": second}),
    )  # fmt: skip
    assert "fake.Q4_1: 1.00B parameters, context 100.\n" in talk.out
    assert "second: 1.00B parameters, context 100. What was said stays.\n" in talk.out
    assert "no file and no model is called gone" in talk.err
    (messages, options) = second.asked[0]
    assert [m["content"] for m in messages] == ["Hi", "First.", "Again"]
    assert options == {"temperature": 0.1}
    assert "cannot be changed" in hold(FakeLLM(), "/model x").err


def test_the_last_turns_are_shown_again() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Old."},
        {"role": "assistant", "content": "Older."},
        {"role": "user", "content": "Hello\nthere"},
        {"role": "assistant", "content": "x" * 1000},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "\n".join("abcdefgh")},
    ]
    assert sessions.recap(messages) == [
        "", ">>> Hello", "there", "", "x" * 480 + " ...", "", ">>> Why?",
        "", "a", "b", "c", "d", "e", "f ...",
    ]  # fmt: skip
    assert sessions.recap([]) == []
