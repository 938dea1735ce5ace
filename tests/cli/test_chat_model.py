"""Another model in a chat that goes on, with models that are really loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pestle.cli import loading
from pestle.cli.chat_model import ModelSeat
from pestle.cli.console import Console
from pestle.cli.dialogue import Dialogue, usual_limit
from pestle.cli.model_options import ModelOptions
from pestle.errors import Error, FormatError, ModelNotFoundError
from pestle.options import EngineOptions

from tests.unit.sessions import models


def test_another_model_and_back(tmp_path: Path) -> None:
    one = models.write(tmp_path / "one.gguf")
    two = Path(shutil.copy(one, tmp_path / "two.gguf"))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(one.read_bytes()[:4000])
    options = ModelOptions(str(one), engine=EngineOptions(threads=1))
    console = Console(quiet=True)
    llm = loading.load(options, console)
    dialogue = Dialogue(llm, "Be brief.", {"max_tokens": 3, "temperature": 0})
    dialogue.default_limit = usual_limit(llm)
    seat = dialogue.seat = ModelSeat(options, llm, console)
    first = dialogue.ask("Hello").result()

    dialogue.change_model(str(two))
    assert dialogue.llm is seat.llm is not llm
    assert dialogue.llm.path == str(two)
    with pytest.raises(Error):
        llm.tokenize("x")  # it was closed
    messages = dialogue.conversation.messages
    assert [m["content"] for m in messages] == ["Be brief.", "Hello", first.text]
    second = dialogue.regenerate().result()
    assert second.text == first.text  # the same weights, greedily

    # What cannot be had leaves the one that is there, or loads it again.
    with pytest.raises(ModelNotFoundError):
        dialogue.change_model("no-such-7b")
    assert dialogue.llm.tokenize("x")
    with pytest.raises(FormatError):
        dialogue.change_model(str(broken))
    assert dialogue.llm is seat.llm
    assert dialogue.llm.path == str(two)
    assert dialogue.regenerate().result().text == first.text
    assert len(dialogue.conversation.messages) == 3
    dialogue.llm.close()
