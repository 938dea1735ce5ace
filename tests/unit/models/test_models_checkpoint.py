"""Checkpoints from a hub, against a stand-in on localhost."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle import models
from pestle.conversion import convert
from pestle.errors import DownloadError, ModelNotFoundError, OfflineError

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from .conftest import ProgressLog
from .hub_stand_in import HubStandIn, Repo

REPO = "user/Tiny"


@pytest.fixture
def repo(hub: HubStandIn, tmp_path: Path) -> Repo:
    case = CASES["qwen2-tied"]
    source = checkpoint_folder.write(tmp_path / "tiny", case, checkpoints.weights(case))
    (source / "modules.json").write_text("[]")
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    files = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in source.rglob("*")
        if not path.is_dir()
    }
    others = {
        "README.md": b"hello",
        "Tiny-Q8_0.gguf": b"GGUF",
        "consolidated.safetensors": b"the same again",
        "original/model.safetensors": b"the same again",
        "pytorch_model.bin": b"the same again",
    }
    small = frozenset(name for name in files if name.endswith(".json"))
    hub.repos[REPO] = Repo({**files, **others}, outside_lfs=small)
    return hub.repos[REPO]


def test_the_checkpoint_and_nothing_else_comes(
    repo: Repo, hub: HubStandIn, progress: ProgressLog
) -> None:
    folder = models.checkpoint(REPO, progress=progress)
    wanted = {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "model.safetensors.index.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }  # fmt: skip
    wanted |= {"modules.json", "1_Pooling/config.json"}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    assert there == wanted
    assert all((folder / name).read_bytes() == repo.files[name] for name in wanted)
    n = len(hub.downloads())
    assert models.checkpoint(REPO) == folder
    assert models.checkpoint(REPO, offline=True) == folder
    assert len(hub.downloads()) == n
    hub.api_statuses = [503] * 10
    assert models.checkpoint(REPO) == folder


def test_a_newer_version(repo: Repo, hub: HubStandIn) -> None:
    models.checkpoint(REPO)
    n = len(hub.downloads())
    repo.commit, repo.files["config.json"] = "d" * 40, b"{}"
    folder = models.checkpoint(REPO)
    assert folder.name == "d" * 40
    assert (folder / "config.json").read_bytes() == b"{}"
    assert len(hub.downloads()) == n + 1


def test_what_cannot_be_fetched(repo: Repo, hub: HubStandIn) -> None:
    with pytest.raises(OfflineError, match="user/Tiny is not on this machine"):
        models.checkpoint(REPO, offline=True)
    with pytest.raises(ModelNotFoundError):
        models.checkpoint("user/Gone")
    with pytest.raises(ModelNotFoundError, match="the form is user/repo"):
        models.checkpoint("user/Tiny:Q8_0")
    hub.repos["user/Empty"] = Repo({"config.json": b"{}", "model.gguf": b""})
    with pytest.raises(ModelNotFoundError, match="user/Empty holds no safetensors"):
        models.checkpoint("user/Empty")
    repo.listed_digests["model-00001-of-00002.safetensors"] = "0" * 64
    with pytest.raises(DownloadError):
        models.checkpoint(REPO)


def test_converting_from_the_hub(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest names repository and revision; else the bytes are those of the folder."""
    monkeypatch.chdir(tmp_path)
    made = convert(hf=REPO, to="BF16")
    assert [str(path) for path in made.paths] == ["Tiny-BF16.gguf"]
    assert (made.manifest.repository, made.manifest.revision) == (REPO, "c" * 40)
    local = convert(tmp_path / "tiny", tmp_path / "local.gguf", to="BF16")
    assert made.manifest.tensors == local.manifest.tensors
    assert made.manifest.files == local.manifest.files
    for arguments in ({}, {"source": "tiny", "hf": REPO}):
        with pytest.raises(ValueError, match="either as a folder or by hf"):
            convert(**arguments)  # type: ignore[arg-type]
