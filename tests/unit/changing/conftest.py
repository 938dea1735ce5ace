"""A checkpoint, and the file that it is converted to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pestle.conversion import convert

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

# A vocabulary that can express any text.
CASE = replace(CASES["gptoss-yarn"], config=CASES["gptoss-yarn"].config | {"vocab_size": 300})


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `source`, and the same as `model.gguf` and, another, as `small.gguf`."""
    folder = tmp_path_factory.mktemp("originals")
    checkpoint_folder.write(folder / "source", CASE, checkpoints.weights(CASE), "BF16")
    convert(folder / "source", folder / "model.gguf", to="BF16")
    convert(folder / "source", folder / "small.gguf", to="Q4_0")
    return folder
