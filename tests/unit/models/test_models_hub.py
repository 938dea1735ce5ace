"""Downloading from a hub, against a stand-in on localhost."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pestle import models
from pestle.errors import DownloadError, ModelNotFoundError, OfflineError

from .conftest import ProgressLog
from .hub_stand_in import HubStandIn, Repo

REPO = "user/Tiny-GGUF"


def weights(seed: int, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def repo(hub: HubStandIn) -> Repo:
    files = {
        "README.md": b"hello",
        "mmproj-Tiny-F16.gguf": weights(0, 100),
        "Tiny-Q4_K_M.gguf": weights(1),
        "Tiny-Q8_0.gguf": weights(2),
        "big/Tiny-F16-00001-of-00002.gguf": weights(3),
        "big/Tiny-F16-00002-of-00002.gguf": weights(4),
    }
    hub.repos[REPO] = Repo(files)
    return hub.repos[REPO]


def leftovers(caches: Path) -> list[str]:
    return [p.name for p in (caches / "hub").rglob("*partial*")]


def test_the_usual_quantization_comes_without_asking(
    repo: Repo, hub: HubStandIn, progress: ProgressLog
) -> None:
    path = models.resolve(hf=REPO, progress=progress)
    assert path.name == "Tiny-Q4_K_M.gguf"
    assert path.read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]
    assert progress.tasks == [("Downloading Tiny-Q4_K_M.gguf", 300_000)]
    assert progress.done == [300_000]
    assert progress.finished == 1


def test_a_named_quantization_in_any_case(repo: Repo) -> None:
    assert models.resolve(hf=f"{REPO}:q8_0").read_bytes() == repo.files["Tiny-Q8_0.gguf"]


def test_all_shards_come_and_the_first_is_returned(repo: Repo, progress: ProgressLog) -> None:
    path = models.resolve(hf=f"{REPO}:F16", progress=progress)
    second = path.with_name("Tiny-F16-00002-of-00002.gguf")
    assert path.name == "Tiny-F16-00001-of-00002.gguf"
    assert path.read_bytes() == repo.files["big/Tiny-F16-00001-of-00002.gguf"]
    assert second.read_bytes() == repo.files["big/Tiny-F16-00002-of-00002.gguf"]
    assert [label for label, _ in progress.tasks] == [
        "Downloading Tiny-F16-00001-of-00002.gguf (1/2)",
        "Downloading Tiny-F16-00002-of-00002.gguf (2/2)",
    ]


def test_an_absent_quantization_lists_the_others(repo: Repo) -> None:
    with pytest.raises(ModelNotFoundError, match=r"holds no Q2_K; .*: F16, Q4_K_M, Q8_0$"):
        models.resolve(hf=f"{REPO}:Q2_K")


def test_a_cached_quantization_needs_no_network(repo: Repo, hub: HubStandIn) -> None:
    first = models.resolve(hf=f"{REPO}:Q8_0")
    hub.requests.clear()
    assert models.resolve(hf=f"{REPO}:Q8_0") == first
    assert models.resolve(f"{REPO}:Q8_0") == first
    assert hub.requests == []


def test_a_broken_connection_is_resumed_within_one_run(
    repo: Repo, hub: HubStandIn, progress: ProgressLog
) -> None:
    hub.cuts = [100_000, 50_000]
    path = models.resolve(hf=REPO, progress=progress)
    assert path.read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]
    assert [r.range for r in hub.downloads()] == [
        "bytes=0-299999",
        "bytes=100000-299999",
        "bytes=150000-299999",
    ]
    assert progress.done == [300_000]


def test_an_interrupted_download_resumes_in_the_next_run(
    repo: Repo, hub: HubStandIn, caches: Path, progress: ProgressLog
) -> None:
    hub.cuts = [120_000]
    progress.interrupt_at = 120_000
    with pytest.raises(KeyboardInterrupt):
        models.resolve(hf=REPO, progress=progress)
    assert len(leftovers(caches)) == 1
    hub.requests.clear()
    again = ProgressLog()
    path = models.resolve(hf=REPO, progress=again)
    assert path.read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]
    assert [r.range for r in hub.downloads()] == ["bytes=120000-299999"]
    assert again.done == [300_000]
    assert leftovers(caches) == []


def test_a_server_without_ranges_starts_again(repo: Repo, hub: HubStandIn) -> None:
    hub.ranges = False
    hub.cuts = [100_000]
    progress = ProgressLog()
    path = models.resolve(hf=REPO, progress=progress)
    assert path.read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]
    assert progress.done == [300_000]


def test_a_server_that_stays_broken_is_given_up_and_the_beginning_kept(
    repo: Repo, hub: HubStandIn, caches: Path
) -> None:
    hub.cuts = [100_000, 0, 0, 0, 0, 0]
    ways = "behind a proxy, set HTTPS_PROXY, or copy the files of http://127.*by hand"
    with pytest.raises(DownloadError, match=f"no connection to http://127.*; {ways}"):
        models.resolve(hf=REPO)
    assert [p.stat().st_size for p in (caches / "hub").rglob("*partial*")] == [100_000]


def test_errors_of_the_moment_are_tried_again(repo: Repo, hub: HubStandIn) -> None:
    hub.file_statuses = [503, 429]
    path = models.resolve(hf=REPO)
    assert path.read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]
    assert len(hub.downloads()) == 3


def test_a_wrong_digest_is_refused_and_nothing_is_left(
    repo: Repo, hub: HubStandIn, caches: Path
) -> None:
    repo.listed_digests["Tiny-Q8_0.gguf"] = "0" * 64
    with pytest.raises(DownloadError) as caught:
        models.resolve(hf=f"{REPO}:Q8_0")
    found = hashlib.sha256(repo.files["Tiny-Q8_0.gguf"]).hexdigest()
    assert str(caught.value) == (
        f"Tiny-Q8_0.gguf has digest {found}, expected {'0' * 64}; the file was removed"
    )
    assert leftovers(caches) == []
    assert models.installed() == []


def test_a_damaged_beginning_is_found_out(repo: Repo, hub: HubStandIn, caches: Path) -> None:
    hub.cuts = [100_000, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError):
        models.resolve(hf=REPO)
    (part,) = (caches / "hub").rglob("*partial*")
    part.write_bytes(b"x" * 100_000)
    with pytest.raises(DownloadError, match="the file was removed"):
        models.resolve(hf=REPO)
    assert models.resolve(hf=REPO).read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]


def test_a_file_outside_lfs_is_checked_with_gits_own_digest(repo: Repo) -> None:
    repo.outside_lfs = frozenset({"Tiny-Q8_0.gguf"})
    assert models.resolve(hf=f"{REPO}:Q8_0").is_file()
    repo.commit = "d" * 40
    repo.listed_digests["Tiny-Q8_0.gguf"] = "0" * 40
    with pytest.raises(DownloadError, match="the file was removed"):
        models.pull(hf=f"{REPO}:Q8_0")


@pytest.mark.parametrize(
    "name",
    [
        *("../../escape-Q8_0.gguf", "/tmp/x.gguf", "a/../b.gguf", "a\\b.gguf", "c:x.gguf"),
        *("a//b.gguf", "./b.gguf", ".b.gguf", "a./b.gguf", "a /b.gguf", "\u202egguf.x.gguf"),
        *("x\0.gguf", "\x1b[2J.gguf", "a\n.gguf", "x" * 300 + ".gguf", "NUL.gguf", "com1/x.gguf"),
        *("a/" * 600 + "b.gguf", "a*b.gguf"),
    ],
)
def test_a_listing_cannot_make_us_write_elsewhere(repo: Repo, hub: HubStandIn, name: str) -> None:
    repo.files[name] = b"evil"
    with pytest.raises(DownloadError, match="has no place in a cache"):
        models.resolve(hf=REPO)
    repo.files.pop(name)
    repo.commit = "../../x"
    with pytest.raises(DownloadError, match=r"`sha` is '\.\./\.\./x', expected a commit"):
        models.resolve(hf=REPO)


def test_a_page_that_is_no_listing(repo: Repo, hub: HubStandIn) -> None:
    hub.api_statuses = [200]
    with pytest.raises(DownloadError, match="does not answer as a hub does"):
        models.resolve(hf=REPO)


def test_pull_takes_the_newest_version_and_resolve_the_one_that_is_here(
    repo: Repo, hub: HubStandIn
) -> None:
    old = models.resolve(hf=f"{REPO}:Q8_0")
    repo.commit = "d" * 40
    repo.files["Tiny-Q8_0.gguf"] = weights(9)
    assert models.resolve(hf=f"{REPO}:Q8_0") == old
    assert models.pull(f"{REPO}:Q8_0").read_bytes() == weights(9)
    assert models.resolve(hf=f"{REPO}:Q8_0").read_bytes() == weights(9)


def test_an_unchanged_file_of_a_new_commit_is_not_fetched_again(
    repo: Repo, hub: HubStandIn
) -> None:
    models.resolve(hf=f"{REPO}:Q8_0")
    repo.commit = "d" * 40
    hub.requests.clear()
    path = models.pull(hf=f"{REPO}:Q8_0")
    assert path.read_bytes() == repo.files["Tiny-Q8_0.gguf"]
    assert hub.downloads() == []


def test_an_unknown_repository(hub: HubStandIn) -> None:
    with pytest.raises(ModelNotFoundError, match=r"^no repository user/nothing at http://127"):
        models.resolve(hf="user/nothing")


def test_a_name_that_is_no_repository(hub: HubStandIn) -> None:
    with pytest.raises(ModelNotFoundError, match="the form is user/repo:QUANT"):
        models.resolve(hf="just-a-word")


@pytest.mark.parametrize("gated", [True, False])
def test_the_token_opens_a_closed_repository(
    repo: Repo, hub: HubStandIn, gated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.token, repo.gated = "hf_secret", gated
    expected = "is gated: accept its terms at" if gated else "no repository user/Tiny-GGUF at"
    with pytest.raises(DownloadError if gated else ModelNotFoundError, match=expected):
        models.resolve(hf=REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert models.resolve(hf=REPO).is_file()


def test_the_token_stays_with_the_hub(
    repo: Repo, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.token = "hf_secret"
    hub.content_host = "localhost"  # another host than 127.0.0.1
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert models.resolve(hf=REPO).is_file()
    sent = {r.host.partition(":")[0]: r.authorization for r in hub.requests}
    assert sent == {"127.0.0.1": "Bearer hf_secret", "localhost": None}


def test_offline_takes_what_is_cached_and_names_what_is_not(repo: Repo, hub: HubStandIn) -> None:
    path = models.resolve(hf=f"{REPO}:Q8_0")
    hub.requests.clear()
    assert models.resolve(hf=f"{REPO}:Q8_0", offline=True) == path
    assert models.resolve(hf=REPO, offline=True) == path
    with pytest.raises(OfflineError) as caught:
        models.resolve(hf=f"{REPO}:F16", offline=True)
    assert str(caught.value) == (
        "user/Tiny-GGUF:F16 is not on this machine (the cache holds Tiny-Q8_0) and the network is "
        "off; run `pestle pull user/Tiny-GGUF:F16` once while online, or copy the .gguf file here "
        "by hand and name its path with -m"
    )
    assert hub.requests == []


@pytest.mark.parametrize("name", ["PESTLE_OFFLINE", "HF_HUB_OFFLINE"])
def test_the_environment_forbids_the_network(
    repo: Repo, hub: HubStandIn, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(OfflineError, match="is not on this machine and the network is off"):
        models.resolve(hf=REPO)
    with pytest.raises(OfflineError):
        models.pull(REPO)
    assert hub.requests == []


def test_an_unreachable_hub_leaves_the_cached_model(repo: Repo, hub: HubStandIn) -> None:
    path = models.resolve(hf=REPO)
    hub.api_statuses = [503]
    assert models.resolve(hf=REPO) == path
    hub.api_statuses = [503]
    with pytest.raises(DownloadError, match=r"is out of order \(503\)"):
        models.pull(REPO)


def test_too_little_disk_is_said_before_the_download(
    repo: Repo, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: (10**9, 10**9 - 100_000, 100_000))
    with pytest.raises(DownloadError, match=r"0\.3 MB are needed, 0\.1 MB are free"):
        models.resolve(hf=REPO)
    assert hub.downloads() == []


def test_two_downloads_of_one_file_transfer_it_once(repo: Repo, hub: HubStandIn) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(models.resolve(hf=REPO))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(paths) == 2
    assert len(hub.downloads()) == 1


def test_the_cache_is_the_one_of_huggingface_hub(repo: Repo, hub: HubStandIn) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    ours = models.resolve(hf=f"{REPO}:Q8_0")
    found = hf_hub_download(REPO, "Tiny-Q8_0.gguf", local_files_only=True)
    assert Path(found) == ours
    theirs = hf_hub_download(REPO, "Tiny-Q4_K_M.gguf")
    assert models.resolve(hf=REPO, offline=True) == Path(theirs)
    assert scan_cache_dir().warnings == []


def test_without_symlinks_the_file_itself_lies_in_the_snapshot(
    repo: Repo, hub: HubStandIn, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.are_symlinks_supported", lambda _: False)
    path = models.resolve(hf=REPO)
    assert not path.is_symlink()
    assert path.read_bytes() == repo.files["Tiny-Q4_K_M.gguf"]
    assert models.resolve(hf=REPO, offline=True) == path
    assert models.remove(f"{REPO}:Q4_K_M") == 300_000
    assert not path.exists()


def test_the_hubs_own_variables_decide_in_a_fresh_process(
    repo: Repo, hub: HubStandIn, tmp_path: Path
) -> None:
    repo.token = "hf_secret"
    code = f"from pestle import models; print(models.resolve(hf='{REPO}:Q8_0'))"
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": "hf_secret",
    }
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    path = Path(done.stdout.strip())
    assert path.is_relative_to(tmp_path / "home" / "hub")
    assert path.read_bytes() == repo.files["Tiny-Q8_0.gguf"]
