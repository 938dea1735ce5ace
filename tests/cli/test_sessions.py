"""Saved chats on the command line, with a tiny model that is loaded for real."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from pestle.cli.answer_view import AnswerView

from tests.unit.sessions import models

from .conftest import Pestle

FIRST, SECOND = "What is the first question?", "And the second?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path / "data"))


def ask(pestle: Pestle, model: Path, question: str, *options: str) -> dict[str, object]:
    arguments = ("-m", str(model), "-t", "1", "-n", "9", "--json", *options, question)
    result = pestle("run", *arguments)
    assert result.exit_code == 0, result.stderr
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_run_goes_on_with_a_session(pestle: Pestle, model: Path) -> None:
    first = ask(pestle, model, FIRST, "--session", "trip", "-sys", "Be brief.")
    second = ask(pestle, model, SECOND, "--session", "trip")
    held = first["usage"]["total_tokens"] - 1  # type: ignore[index]
    assert second["reuse"]["reused"] >= first["usage"]["prompt_tokens"]  # type: ignore[index]
    assert second["usage"]["prompt_tokens"] > held  # type: ignore[index]


def test_a_session_that_cannot_be_saved(
    pestle: Pestle, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    run = ("run", "-m", str(model), "-t", "1", "-n", "9", "--session", "trip")
    monkeypatch.setattr("os.fsync", full)
    result = pestle(*run, FIRST)
    assert result.exit_code == 1
    assert result.stdout, "the answer is given all the same"
    assert "cannot save the session trip" in result.stderr
    assert "No space left on device" in result.stderr


def test_ctrl_c_keeps_what_was_said(
    pestle: Pestle, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = AnswerView.add

    def interrupted(view: AnswerView, chunk: Any) -> None:
        add(view, chunk)
        if chunk.token_ids:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(AnswerView, "add", interrupted)
    run = ("run", "-m", str(model), "-t", "1", "-n", "200", "--session", "trip")
    result = pestle(*run, FIRST)
    assert result.exit_code == 130
    monkeypatch.setattr(AnswerView, "add", add)
    assert "Session trip: 2 messages" in pestle(*run, SECOND).stderr


def test_what_is_said_of_it(pestle: Pestle, model: Path) -> None:
    run = ("run", "-m", str(model), "-t", "1", "-n", "9", "--session", "trip")
    assert "Session" not in pestle(*run, FIRST).stderr
    again = pestle(*run, "-v", SECOND).stderr
    assert "Session trip: 2 messages, " in again
    assert "tokens that need not be read again." in again
    assert "Session trip is saved: 4 messages, " in again
    assert " reused" in again
    other = pestle(*run, "-ctk", "f32", SECOND).stderr
    assert (
        "Session trip: 4 messages. All of it is read again: keys and values were i16, now they are "
        "f32.\n"
    ) in other


def test_what_differs_is_said(pestle: Pestle, model: Path) -> None:
    run = ("run", "-m", str(model), "-t", "1", "-n", "9", "-v", "--session", "trip")
    pestle(*run, "-sys", "Be brief, please.", FIRST)
    said = pestle(*run, "-sys", "Be brief and kind.", SECOND).stderr
    # <|im_start|>system, a line end, "Be brief": 8 + 8 tokens are the same.
    assert "prompt: 16 of " in said
    assert "; at token 16 “, please.<|i" in said
    assert "” was read before, now it is “ and kind.<|" in said


def test_bad_names(pestle: Pestle, model: Path) -> None:
    result = pestle("run", "-m", str(model), "--session", "../x", FIRST)
    assert result.exit_code == 1
    assert result.stderr.startswith("pestle: error: '../x' is not a name for a session: ")
    result = pestle("run", "-m", str(model), "--raw", "--session", "x", FIRST)
    assert result.exit_code == 2


def test_ls_and_rm(pestle: Pestle, model: Path) -> None:
    assert "No sessions yet" in pestle("ls", "--sessions").stderr
    ask(pestle, model, FIRST, "--session", "trip")
    (listed,) = json.loads(pestle("ls", "--sessions", "--json").stdout)["sessions"]
    assert (listed["name"], listed["bytes"] > 30_000) == ("trip", True)
    header, line = pestle("ls", "--sessions").stdout.splitlines()
    assert header.split() == ["name", "size", "saved"]
    assert line.split()[0] == "trip"
    assert pestle("rm", "trip", "-y").exit_code == 1  # no model has this name
    assert pestle("rm", "--session", "trip", "-y").stderr.startswith("Deleted trip: ")
    assert json.loads(pestle("ls", "--sessions", "--json").stdout)["sessions"] == []


def test_rm_of_a_session_that_is_not_there(pestle: Pestle) -> None:
    """It is said before anything is asked."""
    result = pestle("rm", "--session", "gone")
    assert result.stderr == (
        "pestle: error: there is no session gone: `pestle ls --sessions` lists them\n"
    )
    assert result.exit_code == 1


def test_what_a_file_states_of_sampling(tmp_path: Path) -> None:
    from pestle import LLM

    from tests.cli.test_escapes import attacked

    for keys, stated in ({}, False), ({"general.sampling.temp": 0.8}, True):
        with LLM(attacked(tmp_path / "m.gguf", **keys), threads=1) as llm:
            assert (llm.sampling_source is not None) is stated


def test_what_the_makers_publish(tmp_path: Path) -> None:
    """It is used where the file states nothing of its own."""
    from pestle import LLM

    from tests.cli.test_escapes import attacked

    name = tmp_path / "Llama-3.2-1B-Instruct-Q8_0.gguf"
    with LLM(attacked(name), threads=1) as llm:
        assert (llm.sampling.temperature, llm.sampling.top_p) == (0.6, 0.9)
        assert llm.sampling_source == "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct"
    with LLM(attacked(name, **{"general.sampling.top_p": 0.5}), threads=1) as llm:
        assert (llm.sampling.temperature, llm.sampling.top_p) == (0.8, 0.5)
        assert llm.sampling_source == "the model's file"


def test_sliding(pestle: Pestle, model: Path) -> None:
    """The oldest turns go, and it is said; else it is an error that says what to do."""
    run = ("run", "-m", str(model), "-t", "1", "-n", "9", "-c", "220", "--session", "long")
    for n in range(2):
        assert pestle(*run, f"{n} {FIRST * 2}").exit_code == 0
    full = pestle(*run, FIRST * 2)
    assert full.exit_code == 5
    assert "tokens, the context holds 220; -c sets another size, and --on-full " in full.stderr
    slid = pestle(*run, "--on-full", "slide", FIRST * 2)
    assert slid.exit_code == 0
    assert "The context is full: the oldest turn is dropped (2 messages).\n" in slid.stderr


def test_rm_follows_no_link(
    pestle: Pestle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("session.json", "kv-000001"):
        (elsewhere / name).write_text('{"not": "ours to remove"}')
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "lnk").symlink_to(elsewhere)
    result = pestle("rm", "-y", "--session", "lnk")
    assert result.exit_code == 1
    assert "is a link to" in result.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == ["kv-000001", "session.json"]
