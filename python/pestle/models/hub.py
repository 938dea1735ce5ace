"""Models from the Hugging Face hub: `user/repo[:QUANT]`, through its API and its cache."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pestle.errors import ModelNotFoundError, OfflineError
from pestle.models import hub_cache
from pestle.models.hub_errors import HubUnreachableError, hub_errors
from pestle.models.hub_listing import Listing, list_files
from pestle.models.quants import choose, group
from pestle.models.storage import exclusive, require_space, storage_errors
from pestle.models.transfer import RemoteFile, Transfer
from pestle.progress import Progress, task

_REFERENCE = re.compile(r"([\w.-]+/[\w.-]+)(?::([^:\s]+))?", re.ASCII)
# As in the browser's address line: a repository, its list of files, or one of them.
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/", re.IGNORECASE)
_PAGE = re.compile(
    r"([\w.-]+/[\w.-]+)/(?:tree/main|(?:blob|resolve)/main/([^:\s?]+))(?:\?[^\s]*)?", re.ASCII
)
# What is taken of a repository: one of its GGUF models, or its checkpoint.
GGUF_FILES = re.compile(r".*\.gguf", re.IGNORECASE | re.DOTALL)
_CHECKPOINT = re.compile(
    r"model(-\d{5}-of-\d{5,6})?\.safetensors|model\.safetensors\.index\.json"
    r"|(config|generation_config|tokenizer|tokenizer_config|chat_template)\.json"
    r"|tokenizer\.model|chat_template\.jinja|additional_chat_templates/[\w.-]+\.jinja"
    r"|modules\.json|1_Pooling/config\.json"
)


@dataclass(frozen=True)
class HubReference:
    """What `-hf` names. `quant` is an encoding or the name of a file, None for the usual one."""

    repo: str
    quant: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubReference | None:
        """Read `user/repo[:QUANT]`, also behind `hf.co/` or `https://huggingface.co/`.

        Addresses of a repository's files and of a single one are understood too, in the version
        `main`. None when `text` is nothing of this.
        """
        address = _ADDRESS.match(text)
        if address is not None:
            text = text[address.end() :].rstrip("/")
        page = _PAGE.fullmatch(text) if address is not None else None
        found = page or _REFERENCE.fullmatch(text)
        return cls(found[1], found[2]) if found else None

    def __str__(self) -> str:
        return f"{self.repo}:{self.quant}" if self.quant else self.repo


def is_address(text: str) -> bool:
    """Whether `text` can only be the hub's: it begins with `hf.co/` or `huggingface.co/`."""
    return _ADDRESS.match(text) is not None


def find_cached(reference: HubReference) -> Path | None:
    """The model's file (first shard) if the cache holds it whole, without any network."""
    present = {c.model: c for c in hub_cache.models(reference.repo) if c.model.complete}
    try:
        return present[choose(present, reference.quant, reference.repo)].paths[0]
    except ModelNotFoundError:
        return None


def resolve(
    reference: HubReference, *, offline: bool, refresh: bool, progress: Progress | None
) -> Path:
    """The model's file (first shard), downloaded if need be.

    A cached file of the named quantization is used as it is; without one, the repository decides
    what the usual quantization is, and an unreachable hub leaves the choice among cached files.
    `refresh` always asks the hub and takes its newest version.
    """
    cached = find_cached(reference)
    if offline:
        if cached is None or refresh:
            raise _offline_error(reference)
        return cached
    if cached is not None and reference.quant is not None and not refresh:
        return cached
    try:
        listing = list_files(reference.repo, GGUF_FILES)
    except HubUnreachableError:
        if cached is None or refresh:
            raise
        return cached
    model = choose(group(listing.files), reference.quant, reference.repo)
    return _download(reference.repo, listing, model.files, progress) / model.files[0]


def checkpoint(repo: str, *, offline: bool, progress: Progress | None) -> Path:
    """The folder with the newest version of a repository's checkpoint, downloaded if need be.

    What is there already is not fetched again. Without the network, or a hub that answers, it is
    the version that the cache has as its newest. Raises OfflineError, DownloadError and
    ModelNotFoundError, the last also where the repository holds no checkpoint.
    """
    cached = hub_cache.main_snapshot(repo)
    if cached is not None and not (cached / "config.json").is_file():
        cached = None
    if offline:
        if cached is None:
            raise OfflineError(f"{repo} is not on this machine and the network is off")
        return cached
    try:
        listing = list_files(repo, _CHECKPOINT)
    except HubUnreachableError:
        if cached is None:
            raise
        return cached
    if not any(name.endswith(".safetensors") for name in listing.files):
        raise ModelNotFoundError(f"{repo} holds no safetensors")
    return _download(repo, listing, sorted(listing.files), progress)


def _download(repo: str, listing: Listing, names: Sequence[str], progress: Progress | None) -> Path:
    """Fetch what is missing of these files; returns the snapshot's folder."""
    home = hub_cache.folder(repo)
    files = [listing.files[name] for name in names]
    for file in files:
        hub_cache.part_path(
            repo, file
        )  # raises for a name that is too long, before anything is made
    with storage_errors(home, sum(file.size for file in files)), hub_errors(repo):
        missing = [f for f in files if not hub_cache.link(repo, listing.commit, f)]
        if missing:
            parts = [hub_cache.part_path(repo, file) for file in missing]
            there = sum(part.stat().st_size for part in parts if part.exists())
            require_space(home, sum(file.size for file in missing) - there)
        for number, file in enumerate(missing, 1):
            shard = f" ({number}/{len(missing)})" if len(missing) > 1 else ""
            label = f"Downloading {Path(file.name).name}{shard}"
            _download_file(repo, listing.commit, file, label, progress)
        hub_cache.set_main(repo, listing.commit)
    return home / "snapshots" / listing.commit


def _download_file(
    repo: str, commit: str, file: RemoteFile, label: str, progress: Progress | None
) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    part = hub_cache.part_path(repo, file)
    with exclusive(hub_cache.lock_path(repo, file), progress):
        # Another process may have brought it while this one waited for the lock.
        if hub_cache.link(repo, commit, file):
            return
        url = hf_hub_url(repo, file.name, revision=commit)
        headers = build_hf_headers(library_name="pestle")
        with task(progress, label, file.size) as advance:
            Transfer(file, url, headers, part, advance).run()
        hub_cache.store(repo, commit, file, part)


def _offline_error(reference: HubReference) -> OfflineError:
    here = [c.model.label for c in hub_cache.models(reference.repo) if c.model.complete]
    others = f" (the cache holds {', '.join(here)})" if here else ""
    return OfflineError(
        f"{reference} is not on this machine{others} and the network is off; "
        f"run `pestle pull {reference}` once while online, "
        "or copy the .gguf file here by hand and name its path with -m"
    )
