"""`pestle.plan`: files, repositories, and what stands between a model and this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pestle
import pytest
from pestle.errors import FormatError, ModelNotFoundError, OfflineError
from pestle.memory import Memory
from pestle.models.hub import HubReference
from pestle.options import EngineOptions
from pestle.planning import PROMPT, Plan
from pestle.planning.downloading import in_vain

from tests.unit.models.hub_stand_in import HubStandIn, Repo
from tests.unit.planning.conftest import KnownMachine
from tests.unit.test_kv_memory import header

GB = 10**9


@pytest.fixture
def dense(tmp_path: Path, known_machine: KnownMachine) -> Path:
    return header(tmp_path / "dense.gguf", "qwen3-4b")


@pytest.fixture
def sparse(tmp_path: Path, known_machine: KnownMachine) -> Path:
    return header(tmp_path / "sparse.gguf", "qwen3-30b-a3b")


def only(plans: list[Plan]) -> Plan:
    (plan,) = plans
    return plan


def test_a_file_that_fits(dense: Path) -> None:
    plan = only(pestle.plan(dense, memory=100 * GB))
    assert (plan.name, plan.refusal, plan.obstacle(), plan.runs) == (str(dense), None, None, True)
    assert (plan.file_bytes, plan.download_bytes) == (dense.stat().st_size, 0)
    assert plan.command == f"pestle chat -m {dense}"
    assert plan.decode is not None
    assert plan.decode_full is not None
    assert plan.decode.low < plan.decode.likely < plan.decode.high
    assert plan.decode_full.likely < plan.decode.likely
    seconds = 1 / plan.decode.likely - 36 * PROMPT * 1e-8 - 36 * 1e-5
    assert seconds == pytest.approx(plan.file_bytes / 1e10, rel=0.1)
    assert plan.binds == "memory bandwidth"
    assert plan.prefill == pytest.approx(PROMPT / (plan.first_token or 0))
    assert plan.unmeasured == ()


def test_options_are_those_of_the_engine(dense: Path) -> None:
    plan = only(pestle.plan(dense, memory=100 * GB, n_ctx=2048, kv_type="q8_0"))
    assert plan.fit is not None
    assert plan.fit.n_ctx == 2048
    assert plan.command.endswith(" -c 2048")
    with pytest.raises(TypeError):
        pestle.plan(dense, nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="kv_type"):
        pestle.plan(dense, kv_type="q2")
    with pytest.raises(pestle.ArgumentTypeError, match=r"'ctx'; did you mean n_ctx\?"):
        pestle.plan(dense, ctx=4096)  # type: ignore[call-arg]


def test_a_file_that_streams(sparse: Path) -> None:
    whole = only(pestle.plan(sparse, memory=100 * GB, n_ctx=4096))
    half = only(pestle.plan(sparse, memory=10 * GB, n_ctx=4096))
    little = only(pestle.plan(sparse, memory=4 * GB, n_ctx=4096))
    rates = [plan.decode for plan in (whole, half, little)]
    assert all(rate is not None for rate in rates)
    likely = [rate.likely for rate in rates if rate is not None]
    assert likely == sorted(likely, reverse=True)
    assert (whole.binds, little.binds) == ("memory bandwidth", "disk")
    assert little.unmeasured == ("which experts the model will ask for",)
    assert little.fit is not None
    assert little.fit.way == "streams"
    # 2.65 MB an expert at 0.2 GB/s; a prompt reads all those that are not in memory. Half of the
    # products' time is not hidden behind that.
    missing = (1 - little.fit.resident_share) * 48 * 128 * 2.65e6
    assert whole.first_token is not None
    seconds = missing / 2e8 + whole.first_token / 2
    assert little.first_token == pytest.approx(seconds, rel=0.02)


def test_a_disk_that_nobody_could_measure(sparse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pestle.planning.expectation.read_rate", lambda folder, path: None)
    plan = only(pestle.plan(sparse, memory=10 * GB))
    assert (plan.runs, plan.decode, plan.first_token) == (True, None, None)
    assert plan.unmeasured == ("how fast the disk reads",)


def test_a_file_that_does_not_fit(dense: Path) -> None:
    plan = only(pestle.plan(dense, memory=GB))
    assert (plan.runs, plan.decode) == (False, None)
    assert str(plan.obstacle()).startswith(f"{dense} needs ")
    assert "1.0 GB are free" in str(plan.obstacle())


def test_what_is_planned_is_json(sparse: Path) -> None:
    for limit in (100, 10, 1):
        plan = only(pestle.plan(sparse, memory=limit * GB))
        data = json.loads(json.dumps(plan.to_dict()))
        assert data == plan.to_dict()
        assert len(repr(plan)) < 250
        assert f"runs={plan.runs}" in repr(plan)
        assert data["runs"] is plan.runs
        assert plan.fit is not None
        memory = data["fit"]["memory"]
        assert sum(memory.values()) - memory["prefix_cache"] == data["fit"]["needed"]


def test_names(dense: Path, caches: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no file .*missing\.gguf"):
        pestle.plan(dense.with_name("missing.gguf"))
    with pytest.raises(ModelNotFoundError, match="smollm2-135m is not on this machine, and only"):
        pestle.plan()
    with pytest.raises(ModelNotFoundError, match="is not the name of a hub model"):
        pestle.plan(hf="no repository")
    with pytest.raises(OfflineError, match="u/m is not on this machine"):
        pestle.plan(hf="u/m", offline=True)
    with pytest.raises(ValueError, match="either by name or by hf"):
        pestle.plan(dense, hf="u/m")
    (dense.with_name("none.gguf")).write_bytes(b"no")
    with pytest.raises(FormatError):
        pestle.plan(dense.with_name("none.gguf"))


@pytest.fixture
def remote(hub: HubStandIn, tmp_path: Path, known_machine: KnownMachine) -> HubStandIn:
    """Two models, one of an architecture that Pestle does not run."""
    small = header(tmp_path / "a.gguf", "smollm2-135m").read_bytes()
    other = small.replace(b"llama", b"mamba")
    hub.repos["u/m"] = Repo({"m-Q4_0.gguf": small, "m-Q8_0.gguf": other})
    return hub


def test_every_quantization_of_a_repository(remote: HubStandIn) -> None:
    plans = pestle.plan(hf="u/m", memory=GB)
    assert [plan.name for plan in plans] == ["u/m:Q4_0", "u/m:Q8_0"]
    good, bad = plans
    assert good.command == "pestle chat -hf u/m:Q4_0"
    assert good.runs
    assert good.download_bytes == good.file_bytes == len(remote.repos["u/m"].files["m-Q4_0.gguf"])
    assert good.disk_free is not None
    assert bad.fit is None
    assert "mamba" in str(bad.refusal)
    asked = remote.downloads()
    assert {request.path for request in asked} == {
        f"/u/m/resolve/{remote.repos['u/m'].commit}/m-{quant}.gguf" for quant in ("Q4_0", "Q8_0")
    }
    assert [plan.quant for plan in pestle.plan(hf="u/m:Q8_0")] == ["Q8_0"]
    assert remote.downloads() == asked  # headers are kept


def test_a_full_disk(remote: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pestle.files.free_space", lambda folder: 1000)
    plan = only(pestle.plan(hf="u/m:Q4_0", memory=GB))
    assert not plan.runs
    assert "is a download of 0.1 GB, and 0.0 GB are free on the disk" in str(plan.obstacle())


def test_downloads_in_vain(remote: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    options = EngineOptions()
    room = Memory(GB, GB)
    monkeypatch.setattr("pestle.memory.read", lambda: room)
    assert in_vain(HubReference("u/m", "Q4_0"), options) is None
    unknown = in_vain(HubReference("u/m", "Q8_0"), options)
    assert unknown is not None
    assert "mamba" in str(unknown.obstacle())
    room = Memory(GB, 10**8)
    too_large = in_vain(HubReference("u/m"), options)
    assert too_large is not None
    assert too_large.refusal is None
    assert "u/m:Q4_0 needs 0." in str(too_large.obstacle())
    remote.repos["u/m"].files["m-Q4_0.gguf"] = b"<!DOCTYPE html>" + bytes(100)
    page = in_vain(HubReference("u/m"), options)
    assert page is not None
    assert "it is a web page" in str(page.obstacle())
    assert in_vain(HubReference("u/nothing"), options) is None  # the download says so
    remote.api_statuses = [500]
    assert in_vain(HubReference("u/m"), options) is None
