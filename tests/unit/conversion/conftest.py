"""A small checkpoint on disk, and what it is converted to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Qwen3-MoE, two layers of seven experts, in two shards."""
    case = CASES["qwen3moe-256"]
    return checkpoint_folder.write(tmp_path / "source", case, checkpoints.weights(case))
