"""What a hub answers is not believed: any field may be anything, and no name leads elsewhere."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pestle import models
from pestle.errors import DownloadError, ModelNotFoundError
from pestle.models.hub import HubReference
from pestle.models.hub_listing import list_files

from .hub_stand_in import HubStandIn, Repo

REPO = "user/Tiny-GGUF"
GOOD = {
    "sha": "c" * 40,
    "siblings": [
        {"rfilename": "README.md"},
        {"rfilename": "a-Q8_0.gguf", "size": 1, "lfs": {"sha256": "0" * 64, "size": 1}},
        {"rfilename": "b-Q4_0.gguf", "size": 1, "blobId": "0" * 40},
    ],
}
ODD: tuple[object, ...] = (None, True, -1, 1.5, 10**300, "12\0", ["x"], {"x": []})


def fields(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in `value` with each of its keys."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from fields(value[key])


def test_any_field_of_a_listing_may_be_anything(hub: HubStandIn, caches: Path) -> None:
    hub.listing = json.dumps(GOOD).encode()
    assert set(list_files(REPO, re.compile(".*gguf")).files) == {"a-Q8_0.gguf", "b-Q4_0.gguf"}
    refused: list[str] = []
    for n in range(len([*fields(GOOD)])):
        for odd in ODD:
            changed = copy.deepcopy(GOOD)
            container, key = [*fields(changed)][n]
            container[key] = odd
            hub.listing = json.dumps(changed).encode()
            try:
                models.resolve(hf=f"{REPO}:Q5_0")
            except ModelNotFoundError:  # among what is listed there is none
                continue
            except DownloadError as error:
                refused.append(str(error))
    assert len(refused) > 80
    assert max(map(len, refused)) < 500
    assert [path for path in caches.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (b"[" * 200_000, "does not answer as a hub does: its answer is not valid JSON: it is nest"),
        (b"[]", "does not answer as a hub does: its answer is an array, expected a JSON object"),
        (b'{"sha": NaN}', "does not answer as a hub does"),
        (b"<html>", "does not answer as a hub does"),
        (b"\xff", "does not answer as a hub does"),
        (b'{"siblings": [{"rfilename": "\\ud800.gguf"}]}', "does not answer as a hub does"),
        (b"{}", "the hub's listing is malformed: `sha` is None, expected a commit"),
        (b'{"siblings": 3}', "`siblings` is 3, expected an array"),
        (b'{"siblings": [3]}', r"`siblings\[0\]` is 3, expected an object"),
        (
            b'{"siblings": [{"rfilename": ["x"]}]}',
            r"rfilename` is \['x'\], expected a string",
        ),
        (
            b'{"siblings": [{"rfilename": "x.gguf", "blobId": "0", "size": "12"}]}',
            r"`siblings\[0\].size` is '12', expected a number of bytes",
        ),
    ],
)
def test_listings_that_are_wrong(hub: HubStandIn, listing: bytes, message: str) -> None:
    hub.listing = listing
    with pytest.raises(DownloadError, match=message):
        models.resolve(hf=REPO)


def test_a_listing_without_end(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pestle.models.hub_listing._LONGEST", 1000)
    hub.listing = json.dumps({**GOOD, "tags": ["x"] * 1000}).encode()
    with pytest.raises(DownloadError, match="lists more than 1,000 bytes"):
        models.resolve(hf=REPO)


@pytest.mark.parametrize("body", [b"[" * 200_000, b"[1]", b'{"errors": 3}', b'{"errors": [3]}'])
def test_what_an_error_says_is_not_read(hub: HubStandIn, body: bytes) -> None:
    hub.repos[REPO] = Repo({"a-Q8_0.gguf": b"x"})
    hub.error_body, hub.api_statuses = body, [418]
    with pytest.raises(DownloadError, match="answers with status 418"):
        models.resolve(hf=REPO)
    hub.file_statuses = [418]
    with pytest.raises(DownloadError, match="answers with status 418"):
        models.resolve(hf=REPO)


@pytest.mark.parametrize(
    ("address", "reference"),
    [
        ("hf.co/user/repo", "user/repo"),
        ("hf.co/user/repo:Q8_0", "user/repo:Q8_0"),
        ("https://huggingface.co/user/repo", "user/repo"),
        ("http://www.huggingface.co/user/repo/", "user/repo"),
        ("HTTPS://HF.CO/user/repo/tree/main", "user/repo"),
        ("https://huggingface.co/user/repo/blob/main/a/b-Q4_0.gguf", "user/repo:a/b-Q4_0.gguf"),
        ("https://hf.co/user/repo/resolve/main/b.gguf?download=true", "user/repo:b.gguf"),
        ("user/repo:Q8_0", "user/repo:Q8_0"),
        ("hf.co/user", None),
        ("https://huggingface.co/user/repo/tree/other", None),
        ("https://example.com/user/repo", None),
        ("hf.co/user/repo/x", None),
        ("user/repo/tree/main", None),
    ],
)
def test_addresses_of_the_hub(address: str, reference: str | None) -> None:
    found = HubReference.parse(address)
    assert (None if found is None else str(found)) == reference


def test_an_address_can_be_pulled(hub: HubStandIn) -> None:
    files = {
        "Tiny-Q8_0.gguf": b"8" * 1000,
        "big/Tiny-F16-00001-of-00002.gguf": b"1" * 1000,
        "big/Tiny-F16-00002-of-00002.gguf": b"2" * 1000,
    }
    hub.repos[REPO] = Repo(files)
    path = models.pull(f"hf.co/{REPO}:Q8_0")
    assert path.read_bytes() == files["Tiny-Q8_0.gguf"]
    assert models.resolve(f"https://huggingface.co/{REPO}", offline=True) == path
    page = f"https://huggingface.co/{REPO}/blob/main"
    shard = models.pull(f"{page}/big/Tiny-F16-00002-of-00002.gguf")
    assert shard.name == "Tiny-F16-00001-of-00002.gguf"
    with pytest.raises(ModelNotFoundError, match=r"holds no Gone\.gguf"):
        models.pull(f"{page}/Gone.gguf")
