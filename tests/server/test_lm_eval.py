"""lm-evaluation-harness over the server gives what it gives in the model's own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.harness_tasks import TASKS, manager
from tests.structured.babblers import babbler

from .serving import Client

N_CTX = 64


@pytest.mark.live
@pytest.mark.parametrize(("num_concurrent", "batch_size"), [(1, 1), (1, 4), (4, 2)])
def test_the_same_to_the_last_bit(
    serve: Callable[..., Client],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    num_concurrent: int,
    batch_size: int,
) -> None:
    """Its tokens come of `/tokenize`, so nothing of the model is known on its side."""
    tasks = manager(tmp_path, monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    from lm_eval import simple_evaluate
    from pestle.lm_eval import PestleLM

    def answers(**model: Any) -> dict[str, list[Any]]:
        found = simple_evaluate(
            tasks=[*TASKS], task_manager=tasks, bootstrap_iters=0, batch_size=batch_size, **model
        )
        return {
            name: [(each["doc_id"], each["resps"]) for each in found["samples"][name]]
            for name in TASKS
        }

    file = tmp_path / "tiny.gguf"
    served = babbler(file, "qwen3", n_ctx=N_CTX + 1)  # with room for the token that it has to write
    asked = {
        "model": served.name,
        "base_url": f"{serve(served).url}/v1/completions",
        "max_length": N_CTX + 1,
        "num_concurrent": num_concurrent,
    }
    over_http = answers(model="local-completions", model_args=asked)
    assert over_http == answers(model=PestleLM(babbler(file, "qwen3", n_ctx=N_CTX)))
    assert sum(map(len, over_http.values())) == 12
