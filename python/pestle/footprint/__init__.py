"""What a model takes in memory, item by item, told before any of it is taken."""

from pestle.footprint.items import Footprint, footprint

__all__ = ["Footprint", "footprint"]
