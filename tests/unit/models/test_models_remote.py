"""Headers of files on a hub: only they are fetched, all that comes is checked, and once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzzing.gguf_bytes import STRING, U16, U32, Tensor, array, entry
from fuzzing.gguf_bytes import gguf as gguf_bytes
from pestle.errors import DownloadError, Error, FormatError, ModelNotFoundError, OfflineError
from pestle.models.hub import HubReference
from pestle.models.remote import RemoteModel, remote_models

from .hub_stand_in import HubStandIn, Repo

WORDS = [f"{i}:" + "w" * 40 for i in range(20_000)]
DATA = 6_000_000
BY_QUANT = {"Q4_K_M": 15, "Q8_0": 7, "F16": 1}


def model(
    file_type: int,
    *,
    words: list[str] = WORDS,
    notes: str = "",
    early: str = "",
    data: int = DATA,
) -> bytes:
    """A file of `data` bytes behind its header, whose vocabulary has a MB."""
    entries = [
        entry("general.architecture", STRING, "llama"),
        *([entry("general.name", STRING, early)] if early else []),
        array("tokenizer.ggml.tokens", STRING, words),
        array("tokenizer.ggml.token_type", U32, [1] * len(words)),
        entry("general.file_type", U32, file_type),
        *([entry("quantize.imatrix.file", STRING, notes)] if notes else []),
    ]
    return gguf_bytes(entries, [Tensor("token_embd.weight", (data // 4,))], bytes(data))


def repo_of(hub: HubStandIn, files: dict[str, bytes]) -> Repo:
    hub.repos["u/m"] = Repo(files)
    return hub.repos["u/m"]


def ask(quant: str | None = None, *, every: bool = False) -> tuple[list[RemoteModel], int]:
    return remote_models(HubReference("u/m", quant), offline=False, every=every)


@pytest.fixture
def three(hub: HubStandIn) -> dict[str, bytes]:
    files = {
        f"m-{quant}.gguf": model(number, notes="x" * number) for quant, number in BY_QUANT.items()
    }
    repo_of(hub, files)
    return files


def test_only_the_header_is_fetched(hub: HubStandIn, three: dict[str, bytes]) -> None:
    (found,), received = ask("Q8_0")
    assert (found.name, found.quant, found.size) == ("u/m:Q8_0", "Q8_0", len(three["m-Q8_0.gguf"]))
    assert not isinstance(found.file, Error)
    assert found.file["general.file_type"] == BY_QUANT["Q8_0"]
    assert found.file["tokenizer.ggml.tokens"] == WORDS
    assert found.file.size == found.size
    header = len(three["m-Q8_0.gguf"]) - DATA
    assert header < received < header + (2 << 20)
    (request,) = hub.downloads()
    assert request.range is not None


def test_nothing_is_fetched_twice(hub: HubStandIn, three: dict[str, bytes]) -> None:
    ask(every=True)
    before = len(hub.downloads())
    found, received = ask(every=True)
    assert (received, len(hub.downloads())) == (0, before)
    assert [m.file["general.file_type"] for m in found if not isinstance(m.file, Error)] == [
        15,
        1,
        7,
    ]


def test_quantizations_share_one_vocabulary(hub: HubStandIn, three: dict[str, bytes]) -> None:
    found, received = ask(every=True)
    assert [m.tag for m in found] == ["Q4_K_M", "F16", "Q8_0"]
    assert received < 4 << 20  # three whole headers are 3 MB, and what is read in excess of each
    vocabulary = sum(len(word) + 8 for word in WORDS)
    assert received < 2 * vocabulary + (1 << 20)
    for one in found:
        assert not isinstance(one.file, Error)
        assert one.quant is not None
        assert one.file["general.file_type"] == BY_QUANT[one.quant]
        assert one.file["quantize.imatrix.file"] == "x" * BY_QUANT[one.quant]
        assert one.file["tokenizer.ggml.tokens"] == WORDS


def test_a_header_that_does_not_fit_is_fetched_whole(hub: HubStandIn) -> None:
    other = [word.upper() for word in WORDS[:15_000]]
    repo_of(
        hub,
        {
            "m-Q4_K_M.gguf": model(15),
            "m-Q8_0.gguf": model(7, words=other),
            "m-F16.gguf": model(1, early="another name, which moves the vocabulary"),
        },
    )
    found = {m.tag: m.file for m in ask(every=True)[0]}
    q8, f16 = found["Q8_0"], found["F16"]
    assert not isinstance(q8, Error)
    assert not isinstance(f16, Error)
    assert q8["tokenizer.ggml.tokens"] == other
    assert f16["general.name"] == "another name, which moves the vocabulary"


def test_a_server_without_ranges_is_read_as_far_as_needed(
    hub: HubStandIn, three: dict[str, bytes]
) -> None:
    hub.ranges = False
    found, _ = ask(every=True)
    assert [m.file["general.file_type"] for m in found if not isinstance(m.file, Error)] == [
        15,
        1,
        7,
    ]


def test_a_file_that_is_refused(hub: HubStandIn, three: dict[str, bytes]) -> None:
    hub.file_statuses = [0, 403]
    good, *others = (m.file for m in ask(every=True)[0])
    assert not isinstance(good, Error)
    assert sorted(isinstance(file, DownloadError) for file in others) == [False, True]
    hub.file_statuses = [503]
    again = [m.file for m in ask(every=True)[0]]
    assert not any(isinstance(file, Error) for file in again)


def test_a_line_that_drops_is_taken_up(hub: HubStandIn, three: dict[str, bytes]) -> None:
    hub.cuts = [500_000, 0, 300_000]
    (found,), _ = ask("Q8_0")
    assert not isinstance(found.file, Error)
    assert found.file["tokenizer.ggml.tokens"] == WORDS
    assert [r.range and r.range.partition("-")[0] for r in hub.downloads()] == [
        "bytes=0", "bytes=500000", "bytes=500000", "bytes=800000",
    ]  # fmt: skip


def test_a_line_that_always_drops_is_an_error(hub: HubStandIn, three: dict[str, bytes]) -> None:
    hub.cuts = [0] * 9
    with pytest.raises(DownloadError):
        ask("Q8_0")
    assert len(hub.downloads()) == 3


def test_shards(hub: HubStandIn) -> None:
    def shard(number: int, names: list[str]) -> bytes:
        entries = [entry("split.no", U16, number), entry("split.count", U16, 2)]
        entries += [entry("split.tensors.count", U32, 3)] if number == 0 else []
        tensors = [Tensor(name, offset=32 * i) for i, name in enumerate(names)]
        return gguf_bytes(entries, tensors, bytes(32 * len(names)))

    one, two = shard(0, ["a"]), shard(1, ["b", "c"])
    repo_of(hub, {"m-Q8_0-00001-of-00002.gguf": one, "m-Q8_0-00002-of-00002.gguf": two})
    (found,), _ = ask("Q8_0")
    assert not isinstance(found.file, Error)
    assert [(t.name, t.shard) for t in found.file.tensors] == [("a", 0), ("b", 1), ("c", 1)]
    assert found.size == found.file.size == len(one) + len(two)
    repo_of(hub, {"m-Q8_0-00001-of-00002.gguf": one, "m-Q8_0-00002-of-00002.gguf": one})
    with pytest.raises(FormatError, match="the file is shard 1 of 2, expected 2 of 2"):
        ask("Q8_0")


def test_many_shards_cost_little(hub: HubStandIn) -> None:
    files = {}
    for number in range(20):
        entries = [entry("split.no", U16, number), entry("split.count", U16, 20)]
        if number == 0:
            entries += [entry("split.tensors.count", U32, 20)]
            entries += [array("tokenizer.ggml.tokens", STRING, WORDS)]
        tensor = Tensor(f"t{number}", (500_000,))
        files[f"m-Q8_0-{number + 1:05d}-of-00020.gguf"] = gguf_bytes(
            entries, [tensor], bytes(2_000_000)
        )
    repo_of(hub, files)
    (found,), received = ask("Q8_0")
    assert not isinstance(found.file, Error)
    assert len(found.file.tensors) == 20
    assert received < 5 << 20


def test_wrong_files_are_errors_and_the_others_are_told(hub: HubStandIn) -> None:
    repo_of(
        hub,
        {"m-Q4_K_M.gguf": model(15), "m-Q8_0.gguf": b"<!DOCTYPE html>" + bytes(9_000_000)},
    )
    good, bad = ask(every=True)[0]
    assert not isinstance(good.file, Error)
    assert isinstance(bad.file, FormatError)
    assert str(bad.file) == "m-Q8_0.gguf: the file is not GGUF: it is a web page"
    with pytest.raises(FormatError, match="it is a web page"):
        ask("Q8_0")


def test_a_header_longer_than_any_is_not_fetched(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pestle.models.remote._LONGEST", 500_000)
    repo_of(hub, {"m-Q8_0.gguf": model(7)})
    with pytest.raises(FormatError, match="the header does not end within 500,000 bytes"):
        ask("Q8_0")


def test_answers_of_another_place_are_refused(hub: HubStandIn, three: dict[str, bytes]) -> None:
    hub.answered_range = "bytes 7-99/1000"
    with pytest.raises(DownloadError, match="asked for byte 0, the server sends 'bytes 7-99/1000'"):
        ask("Q8_0")


def test_damage_in_the_cache_is_fetched_again(
    hub: HubStandIn, three: dict[str, bytes], caches: Path
) -> None:
    ask(every=True)
    headers = caches / "pestle" / "headers"
    for path in headers.iterdir():  # that say to be put together of each other
        path.write_bytes(b'{"of":"%s","start":0,"end":9}\n' % path.name.partition(".")[0].encode())
    assert ask(every=True)[1] > 0
    for path in headers.iterdir():
        path.write_bytes(b'{"of":"../../x"}\n')
    assert ask(every=True)[1] > 0
    rng = random.Random(5)
    for path in headers.iterdir():
        data = bytearray(path.read_bytes())
        for _ in range(200):
            data[rng.randrange(2000)] = rng.randrange(256)
        path.write_bytes(data)
    found, received = ask(every=True)
    assert received > 0
    assert [m.file["general.file_type"] for m in found if not isinstance(m.file, Error)] == [
        15,
        1,
        7,
    ]


def test_nothing_there(hub: HubStandIn, three: dict[str, bytes]) -> None:
    with pytest.raises(ModelNotFoundError, match="u/m holds no Q2_K"):
        ask("Q2_K")
    with pytest.raises(OfflineError, match="u/m is not on this machine and the network is off"):
        remote_models(HubReference("u/m"), offline=True)
    repo_of(hub, {"readme.md": b""})
    with pytest.raises(ModelNotFoundError, match="u/m holds no GGUF model"):
        ask()


@pytest.mark.parametrize("seed", range(40))
def test_damaged_headers_are_typed_errors(hub: HubStandIn, seed: int) -> None:
    """Bytes of the header changed, cut or put in: no crash, no wait, no other exception."""
    rng = random.Random(seed)
    data = bytearray(model(7, words=WORDS[:200], data=64_000))
    header = len(data) - 64_000
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(header)
        if rng.random() < 0.5:
            data[at] = rng.randrange(256)
        elif rng.random() < 0.5:
            data[at : at + 8] = rng.choice([2**63, 2**40, 0, header, 2**32 - 1]).to_bytes(
                8, "little"
            )
        else:
            del data[at : at + rng.randrange(1, 64)]
    repo_of(hub, {"m-Q8_0.gguf": bytes(data)})
    try:
        (found,), received = ask("Q8_0")
    except Error:
        return
    assert 0 < received <= len(data)
    assert not isinstance(found.file, Error)
