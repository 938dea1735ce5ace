"""Nothing from a file, a model, a hub or a session reaches a terminal as more than text.

Every string that a file can hold holds an escape sequence here, one at a time, and every command
that reads the file is run on a terminal and through a pipe.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from pestle import models as pestle_models
from pestle.cli import main
from pestle.cli.chat import converse
from pestle.cli.console import Console
from pestle.cli.dialogue import Dialogue
from pestle.cli.harmless import FilteredStream, escaped, harmless
from pestle.cli.tool_calls import Approval
from pestle.errors import DownloadError
from pestle.models import InstalledModel

from tests.unit.engine.parts import parts
from tests.unit.models.hub_stand_in import HubStandIn, Repo
from tests.unit.sessions import models
from tests.unit.text.toy import byte_level

from .fakes import FakeLLM
from .screens import ATTACK, Terminal, hostile

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such file names on Windows")


class Shown(NamedTuple):
    out: str
    err: str
    code: int


Run = Callable[..., Shown]


def to_stderr(message: Any, category: Any, filename: str, line: int, *more: Any) -> None:
    """As Python does where pytest does not gather warnings."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, line))


@pytest.fixture(params=["terminal", "pipe"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line on a terminal or with pipes; what they got is checked."""
    on_terminal = request.param == "terminal"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("WT_SESSION", "1")

    def go(*arguments: str) -> Shown:
        out, err = (Terminal(is_terminal=on_terminal) for _ in range(2))
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("always")
            patch.setattr(warnings, "showwarning", to_stderr)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "stdin", None)
            with pytest.raises(SystemExit) as left:
                main(list(arguments), prog_name="pestle")
        shown = Shown(out.text(), err.text(), int(left.value.code or 0))
        assert not hostile(shown.err), arguments
        if on_terminal:
            assert not hostile(shown.out), arguments
        return shown

    return go


def attacked(path: Path, **changed: Any) -> Path:
    """A tiny model with some of its keys, or tensors' names, replaced."""
    model = parts("llama-tied")
    keys = byte_level(["t|h"], control=("<|im_start|>", "<|im_end|>"), eos="<|im_end|>")
    dim = model.metadata["embedding_length"]
    n_vocab = len(keys["tokenizer.ggml.tokens"])
    random = np.random.default_rng(0)
    model.tensors["token_embd.weight"] = random.normal(size=(n_vocab, dim)).astype(np.float32)
    model.metadata |= {"context_length": 4000}
    model.general |= keys | {"general.name": "x", "tokenizer.chat_template": models.TEMPLATE}
    for name in changed.pop("renamed", ()):
        model.tensors[name + ATTACK] = model.tensors.pop(name)
    if "architecture" in changed:
        model.architecture = changed.pop("architecture")
    model.general |= changed
    return model.write(path)


RAISES = "{{ raise_exception('" + ATTACK.replace("\r", "\\r").replace("\u2028", "") + "') }}"
STRINGS: dict[str, dict[str, Any]] = {
    "name": {"general.name": ATTACK},
    "license": {"general.license": ATTACK},
    "architecture": {"architecture": ATTACK},
    "key": {f"general.{ATTACK}": ATTACK},
    "scaling": {"llama.rope.scaling.type": ATTACK},
    "scaling-not-utf8": {"llama.rope.scaling.type": ATTACK + "\x80"},
    "tokenizer": {"tokenizer.ggml.model": ATTACK},
    "pre": {"tokenizer.ggml.pre": ATTACK},
    "tokens": {"tokenizer.ggml.tokens": [ATTACK, ATTACK]},
    "merges": {"tokenizer.ggml.merges": [ATTACK]},
    "template-raises": {"tokenizer.chat_template": RAISES},
    "template-syntax": {"tokenizer.chat_template": "{{ '" + ATTACK + "'"},
    "template-names": {"tokenizer.chat_template": "{{ '" + ATTACK + "' | " + "nofilter }}"},
    "tensor": {"renamed": ["blk.0.attn_q.weight"]},
    "certificate": {"pestle.certificate": json.dumps({"version": 1, "pestle": ATTACK})},
    "certificate-raw": {"pestle.certificate": ATTACK},
    "manifest": {"pestle.manifest": ATTACK},
    "manifest-json": {"pestle.manifest": json.dumps({"version": 1, "pestle": ATTACK})},
}


@pytest.mark.parametrize("which", STRINGS)
def test_a_model_file(run: Run, tmp_path: Path, which: str) -> None:
    path = str(attacked(tmp_path / "m.gguf", **STRINGS[which]))
    text = tmp_path / "t.txt"
    text.write_text("abc " * 40)
    run("info", path, "--tensors")
    run("run", "-v", "-m", path, "-t", "1", "-n", "2", "hello")
    run("run", "-m", path, "-t", "1", "-n", "2", "--json", "hello")
    run("quantize", path, str(tmp_path / "q.gguf"), "Q8_0", "--threads", "1")
    run("verify", path)
    run("eval", path, "--texts", str(text), "-c", "16", "-t", "1")
    run("imatrix", path, "-f", str(text), "-o", str(tmp_path / "i.gguf"), "-c", "16", "-t", "1")


@posix
def test_names_of_files(run: Run, tmp_path: Path) -> None:
    name = ATTACK
    path = attacked(tmp_path / f"{name}.gguf")
    assert run("info", str(path)).code == 0
    assert run("run", "-v", "-m", str(path), "-t", "1", "-n", "2", "hello").code == 0
    assert run("quantize", str(path), str(tmp_path / f"q{name}.gguf"), "Q8_0").code == 0
    name += os.fsdecode(b"\xff")  # a file's name holds bytes: some that are no text, too
    absent = str(tmp_path / f"absent{name}")
    (tmp_path / name).mkdir()
    for arguments in (
        ("info", absent), ("run", "-m", absent, "x"), ("run", "-m", ATTACK, "x"),
        ("quantize", absent, "q.gguf", "Q8_0"), ("convert", absent), ("verify", absent),
        ("convert", str(tmp_path / name)), ("eval", absent), ("imatrix", absent),
        ("run", "--tools", absent, "x"), ("run", "--json-schema", absent, "x"),
        ("run", "--chat-template-file", absent, "x"), ("run", "-hf", ATTACK, "--offline", "x"),
        ("pull", ATTACK), ("rm", "-y", ATTACK), ("rm", "-y", "--session", ATTACK), (ATTACK,),
        (f"--{ATTACK}",), ("run", "-n", ATTACK), ("run", "--temp", ATTACK, "x"),
        ("run", "--session", ATTACK, "x"), ("run", "--chat-template-kwargs", ATTACK, "x"),
        ("run", "--logit-bias", ATTACK, "x"), ("quantize", str(path), "q.gguf", ATTACK),
    ):  # fmt: skip
        assert run(*arguments).code != 0


@posix
def test_a_path_in_a_pipe_keeps_its_bytes(tmp_path: Path) -> None:
    path = attacked(tmp_path / os.fsdecode(b"m\xff.gguf"))
    made = os.fsencode(tmp_path) + b"/\xff\x1b.gguf"
    done = subprocess.run(
        [sys.executable, "-m", "pestle", "quantize", path, made, "Q8_0", "-t", "1"],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == made + b"\n"
    assert not hostile(done.stderr.decode())


STATE_STRINGS = ("role", "content", "model", "file", "any", "header")


@pytest.mark.parametrize("which", STATE_STRINGS)
def test_a_session(run: Run, tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path / "data"))
    path = str(attacked(tmp_path / "m.gguf"))
    arguments = ("run", "-v", "-m", path, "-t", "1", "-n", "2", "--session", "trip", "hello")
    assert run(*arguments).code == 0
    (state,) = tmp_path.glob("data/sessions/trip/session.json")
    first, _, text = state.read_bytes().partition(b"\n")
    name, version, _ = first.rsplit(b" ", 2)
    if which == "header":
        state.write_bytes(b" ".join((name, ATTACK.encode(errors="replace"), b"\n")) + text)
    else:
        text = json.dumps(poisoned(json.loads(text), which)).encode()
        digest = hashlib.sha256(text).hexdigest().encode()
        state.write_bytes(b" ".join((name, version, digest)) + b"\n" + text)
    run(*arguments)
    run("ls", "--sessions")
    run("ls", "--sessions", "--json")


def poisoned(value: Any, which: str, of: str = "") -> Any:
    """A session's state with one kind of string replaced, wherever it stands."""
    if isinstance(value, str) and which in (of, "any"):
        return ATTACK
    if isinstance(value, dict):
        return {
            key: ATTACK
            if which in (key, "any") and isinstance(part, str)
            else poisoned(part, which)
            for key, part in value.items()
        } | ({ATTACK: ATTACK} if which == "any" else {})
    return [poisoned(part, which) for part in value] if isinstance(value, list) else value


@posix
def test_names_of_sessions(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path))
    folder = tmp_path / "sessions" / ATTACK
    folder.mkdir(parents=True)
    (folder / "session.json").write_text("{}")
    run("ls", "--sessions")


def test_importance_matrices(run: Run, tmp_path: Path) -> None:
    from pestle.quantization.importance import Importance, ImportanceMatrix, write_imatrix

    path = str(attacked(tmp_path / "m.gguf"))
    of = Importance(np.ones((1, 7), np.float32), np.ones(1, np.float32))
    matrix = ImportanceMatrix({f"blk.0.attn_q.weight{ATTACK}": of}, (ATTACK,), 1, 7)
    write_imatrix(tmp_path / "i.gguf", matrix)
    (tmp_path / "j.dat").write_text(ATTACK)
    for name in ("i.gguf", "j.dat"):
        run("quantize", path, str(tmp_path / "q.gguf"), "Q4_0", "--overwrite", "--imatrix",
            str(tmp_path / name))  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        ATTACK,
        json.dumps([{"name": ATTACK, "description": ATTACK, "parameters": {}}]),
        json.dumps([{"type": ATTACK, "function": {"name": ATTACK, "parameters": ATTACK}}]),
    ],
)
def test_files_of_tools(run: Run, tmp_path: Path, text: str) -> None:
    path = str(attacked(tmp_path / "m.gguf"))
    (tmp_path / "t.json").write_text(text)
    run("run", "-m", path, "-t", "1", "-n", "2", "--tools", str(tmp_path / "t.json"), "hello")
    (tmp_path / "t.py").write_text(
        f"import sys, warnings\nprint({ATTACK!r})\nwarnings.warn({ATTACK!r})\n"
        f"sys.stderr.write({ATTACK!r})\nraise ValueError({ATTACK!r})"
    )
    run("run", "-v", "--tools", str(tmp_path / "t.py"), "hello")


@pytest.mark.parametrize("where", ["config", "tokenizer", "index", "tensor", "config-key"])
def test_checkpoints(run: Run, tmp_path: Path, where: str) -> None:
    from tests.oracle import checkpoint_folder, checkpoints
    from tests.oracle.checkpoints import CASES

    case = CASES["llama-tied"]
    weights = checkpoints.weights(case)
    if where == "tensor":
        weights = {name + ATTACK: values for name, values in weights.items()}
    source = Path(checkpoint_folder.write(tmp_path / "tiny", case, weights))
    if where.startswith("config"):
        config = json.loads((source / "config.json").read_text())
        changes = [key for key, value in config.items() if isinstance(value, str | list)]
        for key in changes if where == "config" else ():
            (source / "config.json").write_text(json.dumps(config | {key: ATTACK}))
            run("convert", str(source), "-o", str(tmp_path / "o.gguf"), "--overwrite")
        config["rope_scaling"] = {"rope_type": ATTACK, ATTACK: ATTACK}
        (source / "config.json").write_text(json.dumps(config))
    elif where == "tokenizer":
        found = json.loads((source / "tokenizer.json").read_text())
        for key in found:
            (source / "tokenizer.json").write_text(json.dumps(found | {key: {"type": ATTACK}}))
            run("convert", str(source), "-o", str(tmp_path / "o.gguf"), "--overwrite")
    elif where == "index":
        index = {"weight_map": {ATTACK: ATTACK}}
        (source / "model.safetensors.index.json").write_text(json.dumps(index))
        for path in source.glob("*.safetensors"):
            path.unlink()
    run("convert", str(source), "-o", str(tmp_path / "o.gguf"), "--overwrite")


@pytest.mark.parametrize("failing", [False, True])
def test_a_download(run: Run, monkeypatch: pytest.MonkeyPatch, failing: bool) -> None:
    """What the hub calls a file is on the bar, on the lines and in the errors."""

    def pull(name: Any, *, hf: Any, progress: Any) -> Path:
        progress.start(f"Fetching [bold]{ATTACK}", 10)
        progress.advance(10)
        progress.finish()
        if failing:
            raise DownloadError(f"{ATTACK} has another digest than it should")
        return Path("/cache/small.gguf")

    monkeypatch.setattr(pestle_models, "pull", pull)
    assert "Fetching" in run("pull", "x").err


def test_names_of_models(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model = InstalledModel(ATTACK, Path(ATTACK), 1, ATTACK, 0.0, True)  # type: ignore[arg-type]
    monkeypatch.setattr(pestle_models, "installed", lambda: [model])
    assert "52;c" in run("ls").out
    assert json.loads(run("ls", "--json").out)["models"][0]["name"] == ATTACK


HUBS = {
    "names": Repo({f"m{ATTACK}-Q4_K_M.gguf": b"GGUF", f"n{ATTACK}.gguf": b"GGUF"}),
    "folders": Repo({f"{ATTACK}/m-Q4_K_M.gguf": b"GGUF"}),
    "commit": Repo({"m-Q4_K_M.gguf": b"GGUF"}, commit=ATTACK),
    "digest": Repo({"m-Q4_K_M.gguf": b"GGUF"}, listed_digests={"m-Q4_K_M.gguf": ATTACK}),
    "checkpoint": Repo({"config.json": ATTACK.encode(), f"m{ATTACK}.safetensors": b"x"}),
}


@pytest.mark.parametrize("repo", HUBS)
def test_answers_of_a_hub(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repo: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("pestle.models.transfer.time.sleep", lambda seconds: None)
    with HubStandIn() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        server.repos["user/repo"] = HUBS[repo]
        run("pull", "-hf", "user/repo")
        run("run", "-hf", "user/repo:Q8_0", "x")
        run("convert", "-hf", "user/repo")
        run("ls")


def test_answers_and_statistics(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pestle.cli import loading
    from pestle.results import ToolCall

    llm = FakeLLM(f"said {ATTACK} this")
    llm.name, llm.path, llm.thought = ATTACK, f"/models/{ATTACK}.gguf", ATTACK
    llm.calls, llm.warnings = (ToolCall(ATTACK, ATTACK),), (ATTACK,)
    monkeypatch.setattr(loading, "load", lambda options, console: llm)
    run("run", "-v", "hello")
    shown = run("run", "--json", "hello")
    assert json.loads(shown.out)["text"] == f"said {ATTACK} this"


def test_commands_of_a_chat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """/show info has the model's names, /show template its file's text."""
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    llm = FakeLLM(ATTACK, template=f"{{{{ messages }}}}{ATTACK}")
    llm.name, llm.path, llm.architecture = ATTACK, ATTACK, ATTACK
    lines = [
        "/show info", "/show template", "/show system", "/show params", f"/set stop {ATTACK}",
        f"/set temp {ATTACK}", f"/{ATTACK}", "Hello",
    ]  # fmt: skip

    class Typed:
        discarded = False

        def read(self) -> str:
            if not lines:
                raise EOFError
            return lines.pop(0)

    converse(Dialogue(llm, ATTACK, {}), Typed(), Console())  # type: ignore[arg-type]
    assert not hostile(out.text() + err.text())
    assert "52;c" in out.text()


def test_a_question_shows_all_that_it_asks_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is to be allowed: no carriage return, line or override can hide a part of it."""
    from types import SimpleNamespace

    from pestle.results import ToolCall

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    call = ToolCall("remove\u202e", '{"path": "/home"}\r\n\x1b[2K\u200bRun read()')
    tools: Any = SimpleNamespace(runs=lambda call: True, described=[])
    Approval(Console(), allowed=False).results([call], tools)
    assert screen.text() == (
        'Run remove\\u202e({"path": "/home"}\\r\\n\\x1b[2K\\u200bRun read())? [y]es, [n]o, [a]ll: '
    )


def test_whoever_writes_to_the_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    guarded = FilteredStream(screen, "stdout", always=False)
    print(ATTACK, file=guarded)
    monkeypatch.setattr(sys, "stderr", guarded)
    with warnings.catch_warnings():
        monkeypatch.setattr(warnings, "showwarning", to_stderr)
        warnings.warn_explicit(ATTACK, UserWarning, ATTACK, 1)
    traceback.print_exception(ValueError(ATTACK))
    assert not hostile(screen.text())
    assert not hasattr(guarded, "buffer")
    with pytest.raises(TypeError):
        guarded.write(b"x")  # type: ignore[arg-type]


def test_what_is_no_attack_stays() -> None:
    text = "family \U0001f468\u200d\U0001f469, Persian \u0645\u06cc\u200c\u062e\u0648\n\tend"
    assert harmless(text) == text
    assert escaped("plain é 数字") == "plain é 数字"
    assert escaped("a\tb\n") == "a\\tb\\n"


@posix
def test_on_a_real_terminal(tmp_path: Path) -> None:
    """The whole program behind a pseudo terminal, its chat included."""
    pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect")
    path = attacked(
        tmp_path / f"{ATTACK}.gguf",
        **{"general.name": ATTACK, "tokenizer.chat_template": models.TEMPLATE + ATTACK},
    )
    raises = attacked(tmp_path / "raises.gguf", **STRINGS["template-raises"])
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
    environment |= {"XDG_STATE_HOME": str(tmp_path), "PESTLE_DATA": str(tmp_path)}

    def start(*arguments: str) -> Any:
        return pexpect.spawn(
            sys.executable, ["-m", "pestle", *arguments], env=environment, encoding="utf-8",
            timeout=30, dimensions=(50, 200), codec_errors="surrogateescape",
        )  # fmt: skip

    shown = ""
    for arguments in (
        ("info", str(path)), ("run", "-v", "-m", str(path), "-n", "3", "-t", "1", "Hello"),
        ("run", "-v", "-m", str(raises), "Hello"), ("run", "-m", ATTACK, "Hello"),
    ):  # fmt: skip
        child = start(*arguments)
        child.expect(pexpect.EOF)
        shown += child.before
    assert "pestle: error: " in shown
    child = start("chat", "-m", str(path), "-t", "1", "-n", "3")
    for command in ("/show info", "/show template", "/show system", "Hello", f"/x{ATTACK[1:4]}"):
        child.expect(">>> ")
        shown += child.before
        child.send(f"{command}\r")
    child.expect(">>> ")
    shown += child.before
    child.close(force=True)
    assert "52;c" in shown
    assert not hostile(shown.replace("\b", ""))  # prompt_toolkit's way to the left
