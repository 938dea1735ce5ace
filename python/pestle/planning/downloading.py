"""Before a download: whether what it brings would run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pestle import memory
from pestle.errors import DownloadError, FormatError, ModelNotFoundError, UnsupportedError
from pestle.planning.api import subjects
from pestle.planning.expectation import unmeasured_plan
from pestle.planning.planned import Plan

if TYPE_CHECKING:
    from pestle.models.hub import HubReference
    from pestle.options import EngineOptions


def in_vain(reference: HubReference, options: EngineOptions) -> Plan | None:
    """The plan of a model on the hub if it could not run here; None if it can.

    None too where it cannot be told, as without a network: the download says why. Measures nothing,
    and reads no more of the model than its header.
    """
    try:
        (subject,) = subjects(None, str(reference), offline=False, every=False)
        plan = unmeasured_plan(subject, options, options.memory or memory.read().available)
    except (DownloadError, ModelNotFoundError):
        return None
    except (FormatError, UnsupportedError) as error:
        return Plan(str(reference), reference.quant, "", 0, 0, None, refusal=str(error))
    return None if plan.fits_memory else plan
