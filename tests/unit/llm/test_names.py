"""The names that a file gives: of the model, checked, and of its chat templates."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle import LLM, FormatError, TemplateError

from tests.unit.sessions.models import write


@pytest.mark.parametrize("name", [5, True, 0.5, ["tiny"]])
def test_a_name_that_is_not_text(tmp_path: Path, name: object) -> None:
    path = write(tmp_path / "m.gguf", name=name)
    with pytest.raises(FormatError) as raised:
        LLM(path)
    assert str(raised.value) == f"{path}: general.name is {name!r}, expected a string"


@pytest.mark.parametrize(("name", "shown"), [("tiny", "tiny"), ("", "m")])
def test_the_name_of_the_file_stands_in(tmp_path: Path, name: str, shown: str) -> None:
    with LLM(write(tmp_path / "m.gguf", name=name)) as llm:
        assert llm.name == shown


def test_a_template_of_the_file_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", templates={"rag": "rag {{ messages[0].content }}"})
    hello = [{"role": "user", "content": "hi"}]
    with LLM(path, chat_template="rag") as llm:
        assert llm.detokenize(llm.chat_tokens(hello)) == "rag hi"
    with LLM(path, chat_template="own {{ messages[0].content }}") as llm:
        assert llm.detokenize(llm.chat_tokens(hello)) == "own hi"
    with pytest.raises(TemplateError, match=r"^the file has no chat template `x`; others .*: rag$"):
        LLM(path, chat_template="x")
