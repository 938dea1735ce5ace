"""From file names to models: which GGUF files of a repository belong together, and which to take.

GGUF names end in their encoding (`Name-Q4_K_M.gguf`); a split model adds `-00001-of-00003`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from pestle.errors import ModelNotFoundError

# What is taken when the caller names no quantization: the usual balance of size and loss first.
PREFERRED = ("Q4_K_M", "Q4_0", "Q8_0")

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")
_QUANT = re.compile(
    r"(?:^|[-._])((?:UD-)?(?:I?Q\d+(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP\d(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))"
    r"(?=$|[-.])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class GgufModel:
    """One model among the files of a repository: a single file, or all shards of a split one."""

    name: str  # path inside the repository, without shard suffix and ".gguf"
    quant: str | None  # "Q4_K_M", in capitals; None when the name does not say
    files: tuple[str, ...]  # in the order of the shards
    shards: int  # how many files there must be

    @property
    def complete(self) -> bool:
        """Whether no shard is missing."""
        return len(self.files) == self.shards

    @property
    def label(self) -> str:
        """What stands after the colon in `user/repo:...` when nothing shorter is unique."""
        return PurePosixPath(self.name).name


def group(files: Iterable[str]) -> list[GgufModel]:
    """Find the models among `files` (paths inside a repository), sorted by name.

    Projectors of vision models (mmproj) and importance matrices are not models and left out.
    """
    shards: dict[tuple[str, int], list[str]] = {}
    for file in sorted(files):
        if not file.lower().endswith(".gguf") or _is_auxiliary(file):
            continue
        stem = file[: -len(".gguf")]
        split = _SHARD.search(stem)
        key = (stem[: split.start()], int(split[2])) if split else (stem, 1)
        shards.setdefault(key, []).append(file)
    return [GgufModel(name, quant_of(name), tuple(f), n) for (name, n), f in shards.items()]


def quant_of(name: str) -> str | None:
    """The encoding that a file name states, in capitals: the last one, as names end in it."""
    found = _QUANT.findall(PurePosixPath(name).name)
    return str(found[-1]).upper() if found else None


def stem_of(file: str) -> str:
    """The model's own name in a file's, in small letters: without folder, encoding and part."""
    name = _SHARD.sub("", PurePosixPath(file).name.removesuffix(".gguf"))
    found = list(_QUANT.finditer(name))
    return (name[: found[-1].start()] if found else name).lower()


def choose(models: Iterable[GgufModel], quant: str | None, where: str) -> GgufModel:
    """Pick the model that `quant` (an encoding or a file name, any case) means.

    Without one: Q4_K_M, Q4_0, Q8_0, else the only model there is. `where` names the repository
    in the ModelNotFoundError that says what there is when nothing, or more than one, fits.
    """
    whole = [model for model in models if model.complete]
    if not whole:
        raise ModelNotFoundError(f"{where} holds no GGUF model")
    if quant is not None:
        fits = _matching(whole, quant)
        wanted = f"{where} holds no {quant}"
    else:
        by_preference = (_matching(whole, name) for name in PREFERRED)
        fits = next((found for found in by_preference if found), whole)
        wanted = f"{where} holds several models"
    if len(fits) == 1:
        return fits[0]
    if fits:
        wanted = f"{where} holds several models" + (f" in {quant}" if quant else "")
    names = sorted({tag(model, whole) for model in (fits or whole)})
    raise ModelNotFoundError(f"{wanted}; name one after a colon: {', '.join(names)}")


def tag(model: GgufModel, among: Iterable[GgufModel]) -> str:
    """The shortest text after the colon that means `model` and no other one of `among`."""
    twins = [other for other in among if other.quant == model.quant]
    return model.quant if model.quant is not None and len(twins) <= 1 else model.label


def _matching(models: list[GgufModel], wanted: str) -> list[GgufModel]:
    name = _SHARD.sub("", wanted.lower().removesuffix(".gguf"))
    by_file = [m for m in models if name in (m.name.lower(), m.label.lower())]
    by_quant = [m for m in models if m.quant == wanted.upper()]
    # Unsloth's dynamic encodings carry a prefix that people leave out.
    return by_file or by_quant or [m for m in models if m.quant == f"UD-{wanted.upper()}"]


def _is_auxiliary(file: str) -> bool:
    name = PurePosixPath(file).name.lower()
    return "mmproj" in name or ("imatrix" in name and quant_of(name.removesuffix(".gguf")) is None)
