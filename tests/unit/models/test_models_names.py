"""Names, paths and suggestions; listing and removing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle import models
from pestle.errors import ModelNotFoundError
from pestle.models import hub_cache
from pestle.models.catalogue import CATALOGUE, DEFAULT_WHEEL, lookup
from pestle.models.hub import HubReference
from pestle.models.transfer import RemoteFile


def cache_file(repo: str, name: str, data: bytes, commit: str = "c" * 40) -> RemoteFile:
    """Put a file into the hub's cache as a download does."""
    file = RemoteFile(name, len(data), f"{abs(hash(data)):064x}"[:64])
    part = hub_cache.part_path(repo, file)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data)
    hub_cache.store(repo, commit, file, part)
    hub_cache.set_main(repo, commit)
    return file


def cache_default(caches: Path) -> Path:
    """Put a file of the default's name and size where the default lies (sparse, no contents)."""
    path = caches / "pestle" / "models" / DEFAULT_WHEEL.file_name
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        stream.truncate(DEFAULT_WHEEL.size)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user/repo", HubReference("user/repo")),
        ("user/Repo.v1-GGUF:Q4_K_M", HubReference("user/Repo.v1-GGUF", "Q4_K_M")),
        ("user/repo:file-Q8_0.gguf", HubReference("user/repo", "file-Q8_0.gguf")),
        ("repo", None),
        ("user/repo/file", None),
        ("user/repo:", None),
        ("user/repo:a b", None),
    ],
)
def test_hub_references(text: str, expected: HubReference | None) -> None:
    assert HubReference.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "name", "quant"),
    [
        ("llama3.2-1b", "llama3.2-1b", "Q4_K_M"),
        ("Llama3.2:1B", "llama3.2-1b", "Q4_K_M"),
        ("llama3.2-1b:q8_0", "llama3.2-1b", "Q8_0"),
        ("llama3.2:1b:q8_0", "llama3.2-1b", "Q8_0"),
    ],
)
def test_lookup(text: str, name: str, quant: str) -> None:
    found = lookup(text)
    assert found is not None
    assert (found[0].name, found[1]) == (name, quant)


def test_the_catalogue_is_well_formed() -> None:
    for name, entry in CATALOGUE.items():
        assert name == entry.name == name.lower()
        if isinstance(entry.source, str):
            assert HubReference.parse(entry.source) is not None


def test_a_path_wins(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(caches)
    Path("smollm2-135m").touch()
    assert models.resolve("smollm2-135m") == Path("smollm2-135m")
    assert models.resolve(Path("smollm2-135m")) == Path("smollm2-135m")
    Path("mine.gguf").touch()
    assert models.pull("mine.gguf") == Path("mine.gguf")


def test_a_catalogue_name_takes_the_cached_hub_file(caches: Path) -> None:
    entry = CATALOGUE["qwen2.5-0.5b"]
    assert isinstance(entry.source, str)
    cache_file(entry.source, "qwen2.5-0.5b-instruct-q4_k_m.gguf", b"weights")
    assert models.resolve("qwen2.5:0.5b", offline=True).read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lama3.2-1b", "no file and no model is called lama3.2-1b; did you mean llama3.2-1b?"),
        ("models/tinny.gguf", "no file models/tinny.gguf; did you mean models/tiny.gguf?"),
        ("elsewhere/x.gguf", "no file elsewhere/x.gguf"),
        ("x" * 5000, f"no file and no model is called {'x' * 40}..."),
        ("models", "models is a folder; name a .gguf file in it"),
        (
            "user/repo:Q8_0",
            (
                "no file user/repo:Q8_0, and no such model on this disk; "
                "hf='user/repo:Q8_0' takes it from the hub"
            ),
        ),
        ("smollm2-135m:Q8_0", "smollm2-135m exists in Q4_1 only, not in Q8_0"),
        (
            "zzz",
            "no file and no model is called zzz; `pestle ls --all` lists the names that are known",
        ),
    ],
)
def test_what_is_not_found_is_explained(
    caches: Path, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(caches)
    Path("models").mkdir()
    Path("models/tiny.gguf").touch()
    with pytest.raises(ModelNotFoundError) as caught:
        models.resolve(name)
    assert str(caught.value) == message


def test_pull_does_not_guess(caches: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"did you mean qwen2\.5-7b\?"):
        models.pull("qwen2.5-7")
    with pytest.raises(ModelNotFoundError, match="the form is user/repo:QUANT"):
        models.pull(hf="qwen2.5-7b")


def test_name_and_hf_exclude_each_other(caches: Path) -> None:
    with pytest.raises(ValueError, match="not both"):
        models.resolve("smollm2-135m", hf="user/repo")
    with pytest.raises(ValueError, match="not both"):
        models.pull("smollm2-135m", hf="user/repo")


def test_an_empty_disk_has_no_models(caches: Path) -> None:
    assert models.installed() == []


def test_installed_lists_both_caches(caches: Path) -> None:
    default = cache_default(caches)
    cache_file("user/A", "a-Q8_0.gguf", b"12345")
    cache_file("user/A", "a-Q4_0.gguf", b"123")
    cache_file("user/B", "b-F16-00001-of-00002.gguf", b"1")
    cache_file("user/B", "b-F16-00002-of-00002.gguf", b"22")
    cache_file("user/B", "tokenizer.json", b"{}")
    found = models.installed()
    assert [(m.name, m.size, m.source, m.complete) for m in found] == [
        ("smollm2-135m", DEFAULT_WHEEL.size, "pestle", True),
        ("user/A:Q4_0", 3, "hub", True),
        ("user/A:Q8_0", 5, "hub", True),
        ("user/B:F16", 3, "hub", True),
    ]
    assert found[0].path == default
    assert found[3].path.name == "b-F16-00001-of-00002.gguf"
    for model in found:
        assert models.resolve(model.name, offline=True) == model.path


def test_installed_shows_what_is_unfinished_and_remove_frees_it(caches: Path) -> None:
    cache_file("user/B", "x/b-F16-00001-of-00002.gguf", b"1")
    rest = RemoteFile("x/b-F16-00002-of-00002.gguf", 1000, "e" * 64)
    hub_cache.part_path("user/B", rest).write_bytes(b"beginning")
    (model,) = models.installed()
    assert (model.name, model.size, model.complete) == ("user/B:F16", 10, False)
    with pytest.raises(ModelNotFoundError):
        models.resolve("user/B:F16")
    assert models.remove("user/B:F16") == 10
    assert models.installed() == []


def test_remove_takes_one_model_and_leaves_the_rest(caches: Path) -> None:
    cache_file("user/A", "a-Q8_0.gguf", b"12345")
    cache_file("user/A", "a-Q4_0.gguf", b"123")
    cache_file("user/A", "config.json", b"{}")
    assert models.remove("user/a:q8_0") == 5
    assert [m.name for m in models.installed()] == ["user/A:Q4_0"]
    kept = [p.name for p in (caches / "hub").rglob("*") if p.suffix in (".gguf", ".json")]
    assert sorted(kept) == ["a-Q4_0.gguf", "config.json"]


def test_remove_keeps_bytes_that_another_file_shares(caches: Path) -> None:
    cache_file("user/A", "a-Q8_0.gguf", b"12345")
    cache_file("user/A", "copy-of-a.gguf", b"12345")
    assert models.remove("user/A:Q8_0") == 0
    assert models.resolve("user/A:copy-of-a", offline=True).read_bytes() == b"12345"


def test_remove_takes_every_version_of_the_model(caches: Path) -> None:
    cache_file("user/A", "a-Q8_0.gguf", b"old", "a" * 40)
    cache_file("user/A", "a-Q8_0.gguf", b"newer", "b" * 40)
    assert models.resolve("user/A:Q8_0").read_bytes() == b"newer"
    assert models.remove("user/A:Q8_0") == 8
    assert models.installed() == []


def test_remove_by_catalogue_name_or_bare_repository(caches: Path) -> None:
    source = CATALOGUE["qwen2.5-0.5b"].source
    assert isinstance(source, str)
    cache_file(source, "qwen2.5-0.5b-instruct-q4_k_m.gguf", b"12345")
    assert models.remove("qwen2.5-0.5b") == 5
    cache_file("user/A", "a-Q8_0.gguf", b"12345")
    assert models.remove("user/A") == 5


def test_remove_asks_which_one(caches: Path) -> None:
    cache_file("user/A", "a-Q8_0.gguf", b"12345")
    cache_file("user/A", "a-Q4_0.gguf", b"123")
    with pytest.raises(ModelNotFoundError, match="user/A:Q4_0, user/A:Q8_0"):
        models.remove("user/A")


def test_remove_the_default(caches: Path) -> None:
    path = cache_default(caches)
    assert models.remove("smollm2-135m") == DEFAULT_WHEEL.size
    assert not path.exists()
    with pytest.raises(ModelNotFoundError, match="no downloaded model is called smollm2-135m"):
        models.remove("smollm2-135m")


def test_remove_never_touches_a_users_file(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(caches)
    mine = Path("mine.gguf")
    mine.touch()
    with pytest.raises(ModelNotFoundError, match="is a file of yours"):
        models.remove("mine.gguf")
    with pytest.raises(ModelNotFoundError, match="is a file of yours"):
        models.remove(str(mine.absolute()))
    assert mine.exists()


def test_remove_suggests(caches: Path) -> None:
    cache_file("user/A", "a-Q8_0.gguf", b"12345")
    with pytest.raises(ModelNotFoundError, match=r"did you mean user/A:Q8_0\?"):
        models.remove("user/A:Q8")
