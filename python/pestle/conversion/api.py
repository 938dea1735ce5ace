"""`pestle.convert` and `pestle.quantize`: one call from a checkpoint, or a GGUF file, to a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pestle import files, models
from pestle.conversion.execution import Conversion, carry_out, check_free, shard_paths
from pestle.conversion.gguf_model import open_gguf
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import ConversionPlan, plan_conversion
from pestle.conversion.room import check_opening, within
from pestle.conversion.targets import Target, targeted
from pestle.errors import ArgumentError, Error
from pestle.huggingface import open_model
from pestle.options import check_bool, check_integer
from pestle.options.arguments import known_arguments
from pestle.options.checks import (
    INT32_MAX,
    StrPath,
    check_path,
    check_progress,
    check_size,
    mistyped,
)
from pestle.progress import Progress
from pestle.tensors.model import SourceModel
from pestle.tensors.plan_importance import ImportanceSource, opened

_SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})$")


@known_arguments
def convert(
    source: StrPath | None = None,
    output: StrPath | None = None,
    *,
    hf: str | None = None,
    offline: bool = False,
    to: str | Target = "Q4_K_M",
    tensor_types: Sequence[str] = (),
    imatrix: StrPath | ImportanceSource | None = None,
    allow_requantize: bool = False,
    name: str | None = None,
    tokenizer_pre: str | None = None,
    split_size: int = 0,
    overwrite: bool = False,
    certify: bool = False,
    threads: int = 0,
    memory: int | str | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Convert a Hugging Face checkpoint to GGUF: the folder `source`, or `hf`, "user/repo".

    Args:
        source: The checkpoint's folder.
        output: The file to write; by default the checkpoint's name and the type, in this folder.
        hf: The checkpoint on the hub, in place of `source`.
        offline: Never use the network; `hf` is then what the cache holds.
        to: The type of matrices, as "Q8_0" or "BF16", or a mixture of types, as "Q4_K_M", which
            gives each matrix the type that llama.cpp gives it; or a `Target`: each matrix gets the
            type that makes the model diverge least in a file of a given size.
        tensor_types: "REGEX=TYPE", for matrices in whose names the expression is found; the first
            that matches wins.
        imatrix: An importance matrix, or its file.
        allow_requantize: Whether MXFP4 may become another type of blocks because of `tensor_types`;
            without them it stays as it is.
        name: The model's name; by default what config.json says, or none.
        tokenizer_pre: GGUF's name of how text is cut into words, as "qwen2", for a tokenizer.json
            that is damaged or not known; by default it is recognized, or the conversion refused.
        split_size: Bytes of data that a file may have before another is begun; 0 for one file.
        overwrite: Whether a finished file that is there may be replaced.
        certify: Measure the new file against its source, as `pestle.evaluate` does with the
            built-in texts, and store in it what was found: `Conversion.certificate`.
        threads: 0 for one per usable core. Never decides a byte.
        memory: What the whole process may take, in bytes or as "12GiB": pieces are as small as that
            asks for, and models that are run to be measured are streamed. Never decides a byte.
        progress: Hears how far it is.

    The same source and options give the same bytes. A conversion that was interrupted goes on where
    it stopped when it is called again. Raises FormatError, UnsupportedError or TokenizerError for a
    checkpoint that is wrong or not known, UnsupportedError for a tensor that would be quantized
    again or does not fit its type, Error for a rule that matches nothing and where the system
    refuses to read or write, MemoryLimitError, with the sum, where `memory` does not suffice,
    ArgumentError, a ValueError, for a wrong argument, such as a malformed rule or an empty path,
    and what `pestle.models.checkpoint` raises where it cannot be fetched.
    """
    if (source is None) == (hf is None):
        raise ArgumentError("give a checkpoint either as a folder or by hf")
    _check(
        to, tensor_types, split_size, threads, progress,
        overwrite=overwrite, certify=certify, allow_requantize=allow_requantize, offline=offline,
    )  # fmt: skip
    texts = {"hf": hf, "name": name, "tokenizer_pre": tokenizer_pre}
    for argument, text in texts.items():
        if not isinstance(text, (str, type(None))):
            raise mistyped(argument, text, "a string")
    folder = (
        check_path("source", source)
        if source is not None
        else models.checkpoint(str(hf), offline=offline, progress=progress)
    )
    budget = _budget(memory)
    check_opening(folder, budget)
    repository, revision = _origin(folder)
    importance = opened(imatrix)
    path = (
        check_path("output", output)
        if output is not None
        else _default(folder, repository, str(to))
    )
    options = ConversionOptions(
        _to(to), name, split_size, tuple(tensor_types), _digest(importance), allow_requantize,
        tokenizer_pre=tokenizer_pre,
    )  # fmt: skip
    _check_place(path, to, overwrite)
    source_model = open_model(folder, name=name, tokenizer_pre=tokenizer_pre)
    plan = _decided(
        source_model, options, to, path, importance, repository, revision, certify, threads,
        budget, progress,
    )  # fmt: skip
    return _carried_out(plan, path, overwrite, threads, budget, progress)


@known_arguments
def quantize(
    source: StrPath,
    output: StrPath,
    to: str | Target,
    *,
    tensor_types: Sequence[str] = (),
    imatrix: StrPath | ImportanceSource | None = None,
    allow_requantize: bool = False,
    split_size: int = 0,
    overwrite: bool = False,
    certify: bool = False,
    threads: int = 0,
    memory: int | str | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Quantize the GGUF file `source`, or the split model that begins there, into `output`.

    Tensors that are of their new type already are copied, bit for bit; so are MXFP4, unless floats
    are wanted, and what is not a matrix. All others are widened exactly before. All metadata stays
    but what tells of the file alone: `general.alignment`, `split.*` and `pestle.*`. What holds of
    the bytes and of interruptions, as `convert`.

    Args:
        source: The file, of a split model the first.
        output: The file to write.
        to: The type of matrices, a mixture of types or a `Target`, as in `convert`.
        tensor_types: "REGEX=TYPE", for matrices in whose names the expression is found.
        imatrix: An importance matrix, or its file.
        allow_requantize: Whether blocks may become blocks of another type, which loses more than
            quantizing the original does; `Conversion.requantized` counts them.
        split_size: Bytes of data that a file may have before another is begun; 0 for one file.
        overwrite: Whether a finished file that is there may be replaced.
        certify: Measure the new file against its source, and store in it what was found.
        threads: 0 for one per usable core. Never decides a byte.
        memory: What the whole process may take, in bytes or as "12GiB": pieces are as small as that
            asks for, and models that are run to be measured are streamed. Never decides a byte.
        progress: Hears how far it is.

    Raises UnsupportedError for a tensor that would be quantized again or does not fit its type, and
    for architectures and types that Pestle does not read, FormatError for a file that is wrong, and
    otherwise as `convert`.
    """
    path, out = check_path("source", source), check_path("output", output)
    _check(
        to, tensor_types, split_size, threads, progress,
        overwrite=overwrite, certify=certify, allow_requantize=allow_requantize,
    )  # fmt: skip
    budget = _budget(memory)
    repository, revision = _origin(path.parent)
    importance = opened(imatrix)
    options = ConversionOptions(
        _to(to), None, split_size, tuple(tensor_types), _digest(importance), allow_requantize
    )
    _check_place(out, to, overwrite)
    plan = _decided(
        open_gguf(path), options, to, out, importance, repository, revision, certify, threads,
        budget, progress,
    )  # fmt: skip
    return _carried_out(plan, out, overwrite, threads, budget, progress)


def _budget(memory: int | str | None) -> int | None:
    return None if memory is None else check_size("memory", memory)


def _check(
    to: object,
    tensor_types: object,
    split_size: int,
    threads: int,
    progress: Progress | None,
    **switches: bool,
) -> None:
    """Raise ArgumentError and ArgumentTypeError for what can be wrong with an argument alone."""
    if not isinstance(to, (str, Target)):
        raise mistyped("to", to, "a type such as 'Q8_0', or a Target")
    if isinstance(tensor_types, str) or not isinstance(tensor_types, Sequence):
        raise mistyped("tensor_types", tensor_types, 'a list of rules, as in ["ffn_down=Q6_K"]')
    for rule in tensor_types:
        if not isinstance(rule, str):
            raise mistyped("tensor_types", tensor_types, "rules that are strings")
    check_integer("split_size", split_size, 0)
    check_integer("threads", threads, 0, INT32_MAX)
    check_progress(progress)
    for name, value in switches.items():
        check_bool(name, value)


def _digest(importance: ImportanceSource | None) -> str | None:
    return importance.digest if importance is not None else None


def _origin(folder: Path) -> tuple[str | None, str | None]:
    """Repository and revision, where a folder is one of the hub's cache."""
    match = _SNAPSHOT.search(folder.absolute().as_posix())
    return (f"{match[1]}/{match[2]}", match[3]) if match else (None, None)


def _to(to: str | Target) -> str:
    """What a file is called before its types are chosen."""
    return "Q4_K_M" if isinstance(to, Target) else to


def _check_place(path: Path, to: str | Target, overwrite: bool) -> None:
    """Error where nothing can be written at `path`, before the long work."""
    if not path.parent.is_dir():
        raise Error(f"{path.parent} is not a folder, so {path.name} cannot be written there")
    if isinstance(to, Target):
        check_free(path, overwrite)


def _decided(
    source: SourceModel,
    options: ConversionOptions,
    to: str | Target,
    path: Path,
    importance: ImportanceSource | None,
    repository: str | None,
    revision: str | None,
    certify: bool,
    threads: int,
    memory: int | None,
    progress: Progress | None,
) -> ConversionPlan:
    """All of the conversion into `path`; the tensors' types, where `to` leaves them open."""

    def make_plan(options: ConversionOptions) -> ConversionPlan:
        given = importance if options.imatrix is not None else None
        return plan_conversion(
            source, options, importance=given, repository=repository, revision=revision,
            certify=certify,
        )  # fmt: skip

    if not isinstance(to, Target):
        return make_plan(options)
    return targeted(
        make_plan, options, to, path.parent,
        importance=importance, threads=threads, memory=memory, progress=progress,
    )  # fmt: skip


def _carried_out(
    plan: ConversionPlan,
    path: Path,
    overwrite: bool,
    threads: int,
    memory: int | None,
    progress: Progress | None,
) -> Conversion:
    for there in shard_paths(path, plan.tensors.n_shards):
        if any(files.is_same(there, file.path) for file in plan.source.files):
            raise Error(f"{there} is the source itself, which is not replaced")
    return carry_out(
        within(plan, memory),
        path,
        overwrite=overwrite,
        threads=threads,
        memory=memory,
        progress=progress,
    )


def _default(folder: Path, repository: str | None, to: str) -> Path:
    stem = repository.rpartition("/")[2] if repository else folder.resolve().name
    return Path(f"{stem}-{to}.gguf")
