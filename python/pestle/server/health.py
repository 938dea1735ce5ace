"""Whether the server gets on with its work."""

from __future__ import annotations

from typing import Any

from pestle.server.models import Models
from pestle.server.service import Service


def health(models: Models, service: Service) -> tuple[int, dict[str, Any]]:
    """A status of HTTP, and what there is to say.

    200 as long as every engine that has work ends its passes. A model that is being loaded does not
    make a server ill, nor does one that nobody has asked for yet.
    """
    stuck = []
    states = {}
    for model in models:
        state = "loading" if model.loading else "not loaded"
        if model.llm is not None:
            state = "ready"
            still = model.llm.activity().stuck_s
            if still > service.options.stuck_s:
                state = "stuck"
                stuck.append(f"the engine of {model.name} has ended no pass for {still:.0f} s")
        states[model.name] = state
    if service.stopping:
        stuck.append("the server is being stopped")
    if stuck:
        return 503, {"status": "error", "message": "; ".join(stuck), "models": states}
    return 200, {"status": "ok", "models": states}
