"""A conversion that measures its file, and what the file says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pestle import _core, gguf
from pestle.conversion import convert, execution, passes, quantize, verify
from pestle.errors import FormatError, UnsupportedError
from pestle.quality import TextSet, api, built_in, certification, evaluate
from pestle.quality.certificate import KEY, LENGTH, Certificate

from tests.oracle import altered_file, checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

CASE = replace(CASES["llama-tied"], config=CASES["llama-tied"].config | {"vocab_size": 300})


def _some_texts() -> TextSet:
    """A few of the built-in ones: one of each category, cut short."""
    texts = {text.category: replace(text, content=text.content[:600]) for text in built_in().texts}
    return replace(built_in(), texts=tuple(texts.values()))


@pytest.fixture(scope="module", autouse=True)
def _fewer_texts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        texts = _some_texts()
        patch.setattr(certification, "built_in", lambda: texts)
        patch.setattr(api, "built_in", lambda: texts)
        yield


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Certificate]:
    """A checkpoint, its file, and what the conversion returned."""
    folder = tmp_path_factory.mktemp("certificate")
    source = checkpoint_folder.write(folder / "source", CASE, checkpoints.weights(CASE))
    made = convert(source, folder / "a.gguf", to="Q8_0", certify=True, threads=1)
    assert made.certificate is not None
    return source, made.paths[0], made.certificate


Certified = tuple[Path, Path, Certificate]


def test_what_it_says(certified: Certified) -> None:
    source, path, returned = certified
    data = gguf.describe(path).certificate
    assert data is not None
    stated = Certificate.from_json(data)
    measured = evaluate(path, reference=source)
    assert returned == stated
    for mine, theirs in (
        (stated.divergence, measured.total.divergence),
        (stated.evaluation.categories["code"].divergence, measured.categories["code"].divergence),
    ):
        assert theirs is not None
        assert mine.mean == pytest.approx(theirs.mean, rel=1e-5)  # type: ignore[union-attr]
        assert mine.same_best == pytest.approx(theirs.same_best, rel=1e-5)  # type: ignore[union-attr]
    assert stated.evaluation.reference == "the source"
    assert stated.evaluation.texts_sha256 == measured.texts_sha256
    assert set(stated.evaluation.left_out) == {n.split(":")[0] for n in measured.left_out}
    manifest = json.loads(path.with_name("a.gguf.manifest.json").read_text(encoding="utf-8"))
    assert manifest["certificate"] == data


def test_the_file_holds_with_it(certified: Certified) -> None:
    source, path, _ = certified
    proof = verify(path)
    assert proof.ok
    assert json.loads(json.dumps(proof.to_dict())) == proof.to_dict()
    assert repr(proof) == f"Verification({str(path)!r}, {proof.n_tensors} tensors, ok=True)"
    assert verify(path, rederive=source).ok
    made = convert(source, path.with_name("plain.gguf"), to="Q8_0")
    (plain,) = made.paths
    assert json.loads(json.dumps(made.to_dict())) == made.to_dict()
    assert repr(made).startswith(f"Conversion({str(plain)!r}, {made.bytes_written:,} bytes in ")
    assert gguf.describe(plain).certificate is None
    other, own = _core.GgufFile(plain), _core.GgufFile(path)
    assert all(own.read(t.name).tobytes() == other.read(t.name).tobytes() for t in own.tensors)
    assert set(own.keys()) - set(other.keys()) == {KEY}


def test_the_same_bytes_again(certified: Certified) -> None:
    """Whatever the name, the threads, and the number of files."""
    source, path, _ = certified
    again = convert(source, path.with_name("b.gguf"), to="Q8_0", certify=True, threads=2)
    sums = [hashlib.sha256(p.read_bytes()).digest() for p in (path, again.paths[0])]
    assert sums[0] == sums[1]
    split = convert(source, path.with_name("c.gguf"), to="Q8_0", certify=True, split_size=60_000)
    assert len(split.paths) > 1
    file = _core.GgufFile(split.paths[0])
    assert file[KEY] == _core.GgufFile(path)[KEY]
    assert verify(split.paths[0]).ok
    assert not [p for p in path.parent.iterdir() if p.is_dir() and p != source]


def test_of_a_file_that_was_quantized(certified: Certified) -> None:
    """Against the file that it was made from: in F32 that is the checkpoint, to the bit."""
    source, path, returned = certified
    exact = convert(source, path.with_name("f32.gguf"), to="F32", certify=True)
    assert exact.certificate is not None
    assert (exact.certificate.divergence.max, exact.certificate.divergence.same_best) == (0, 1)
    made = quantize(exact.paths[0], path.with_name("q8.gguf"), "Q8_0", certify=True)
    assert made.certificate == returned
    assert verify(made.paths[0], rederive=exact.paths[0]).ok


def test_a_changed_certificate_is_found(certified: Certified, tmp_path: Path) -> None:
    _, path, _ = certified
    changed = tmp_path / "changed.gguf"
    data = path.read_bytes()
    at = data.index(b'"same_best":0.') + len(b'"same_best":0.')
    changed.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert not verify(changed).headers_match


def test_its_length_is_fixed(certified: Certified) -> None:
    _, path, returned = certified
    assert len(_core.GgufFile(path)[KEY]) == LENGTH
    worst = replace(
        returned.evaluation, problems=("x" * 5000, "y"), left_out=("chat/some-name: why",) * 12
    )
    text = Certificate("1.0", worst).text()
    assert len(text) == LENGTH
    assert Certificate.from_json(json.loads(text)).evaluation.left_out[0] == "chat/some-name"


def test_interrupted_and_taken_up(
    certified: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path, _ = certified

    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(passes, "certify", interrupt)
        with pytest.raises(KeyboardInterrupt):
            convert(source, tmp_path / "a.gguf", to="Q8_0", certify=True)
    assert not (tmp_path / "a.gguf").exists()
    made = convert(source, tmp_path / "a.gguf", to="Q8_0", certify=True)
    assert made.resumed
    assert made.paths[0].read_bytes() == path.read_bytes()


def test_what_a_terminal_would_act_on(certified: Certified) -> None:
    data = certified[2].to_dict() | {"texts": "a\x1b[2Jb", "left_out": ["\n"]}
    evaluation = Certificate.from_json(data).evaluation
    assert (evaluation.texts, evaluation.left_out) == ("a\ufffd[2Jb", ("\ufffd",))


@pytest.mark.parametrize("text", ["[]", "{", '{"total": 1}', '{"total": {"tokens": 1e999}}'])
def test_a_malformed_one(certified: Certified, tmp_path: Path, text: str) -> None:
    _, path, _ = certified
    other = altered_file.write(tmp_path / "other.gguf", path, keys={KEY: text})
    with pytest.raises(FormatError, match=r"key `pestle\.certificate` is (not|an array)"):
        Certificate.from_json(gguf.describe(other).certificate or {})


def test_a_model_that_does_not_run(
    certified: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "refusal", lambda plan, scratch: "it is too new")
    with pytest.raises(UnsupportedError, match=r"b\.gguf cannot be certified: it is too new"):
        convert(certified[0], tmp_path / "b.gguf", to="Q8_0", certify=True)
    assert not list(tmp_path.glob("b.gguf*"))
