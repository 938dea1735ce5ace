"""A model that gives the table's logits."""

from __future__ import annotations

import numpy as np
import pytest
from pestle import _core

from . import logit_table
from .choices import table


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> _core.Engine:
    rows = table()
    path = logit_table.write(tmp_path_factory.mktemp("sampler") / "table.gguf", rows)
    return logit_table.engine(path, len(rows))


@pytest.fixture(scope="session")
def logits(engine: _core.Engine) -> np.ndarray:
    return engine.logits()
