"""What a model takes in memory, item by item, told before any of it is taken."""

from pestle.footprint.fit import Fit, fit
from pestle.footprint.items import Footprint, Use, footprint
from pestle.footprint.refusal import refusal
from pestle.footprint.settling import Settled, held_by_others, settle

__all__ = [
    "Fit",
    "Footprint",
    "Settled",
    "Use",
    "fit",
    "footprint",
    "held_by_others",
    "refusal",
    "settle",
]
