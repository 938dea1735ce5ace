"""What a model takes in memory, item by item, told before any of it is taken."""

from pestle.footprint.fit import Fit, fit
from pestle.footprint.items import Footprint, footprint
from pestle.footprint.settling import Settled, held_by_others, settle

__all__ = ["Fit", "Footprint", "Settled", "fit", "footprint", "held_by_others", "settle"]
