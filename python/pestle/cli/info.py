"""`pestle info`: what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pestle.cli import completion, loading, units
from pestle.cli.console import current
from pestle.cli.evaluate import meaning
from pestle.cli.options import json_option, verbosity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pestle._core import GgufTensor
    from pestle.gguf import FileDescription, Share
    from pestle.models import CatalogueEntry

TEMPLATE_SHOWN = "yes: `pestle chat` can talk to it"
TEMPLATE_MISSING = "none: `pestle run --raw` continues text"


def lines(file: FileDescription) -> list[str]:
    """The description as text."""
    return [
        *units.aligned([row for row in _facts(file) if row[1]]),
        *(["", *_shares("type", file.types)] if file.types else []),
        *(["", *_shares("part", file.parts)] if file.parts else []),
        *_cache(file),
        *(_certificate(file.certificate) if file.certificate is not None else ()),
    ]


def _certificate(data: dict[str, Any]) -> list[str]:
    from pestle.quality import Certificate  # which costs the import of numpy

    certificate = Certificate.from_json(data)
    evaluation = certificate.evaluation
    texts = f"{evaluation.total.tokens:,} tokens of {evaluation.texts}"
    if evaluation.left_out:
        texts += f", without {', '.join(evaluation.left_out)}"
    same, ratio = meaning(certificate.divergence, evaluation.reference or "")
    rows = [
        ("certificate", same),
        ("", ratio),
        ("", f"mean divergence {certificate.divergence.mean:.4g} nats; {texts}"),
        ("", f"measured by Pestle {certificate.pestle}, which made the file"),
        *(("", f"something is wrong: {text}") for text in evaluation.problems),
    ]
    return ["", *units.aligned(rows)]


def _facts(file: FileDescription) -> list[tuple[str, str]]:
    shards = f" in {file.shards} files" if file.shards > 1 else ""
    shape = [file.architecture]
    if file.n_layers is not None:
        shape.append(f"{file.n_layers} layers")
    if file.dim is not None:
        shape.append(f"dim {file.dim}")
    if file.n_experts:
        shape.append(f"{file.n_experts} experts, {file.top_k} used")
    tied = ", embeddings tied" if file.tied_embeddings else ""
    context = f"{file.context_length:,} tokens" if file.context_length is not None else ""
    return [
        ("file", file.path),
        ("name", file.name or ""),
        ("license", file.license or ""),
        ("format", f"GGUF v{file.gguf_version}, {units.size(file.file_bytes)}{shards}"),
        ("quantization", file.file_type or ""),
        ("architecture", ", ".join(shape)),
        ("parameters", f"{units.count(file.parameters)}{tied}" if file.types else ""),
        ("context", context),
        ("tokenizer", _tokenizer(file)),
        ("template", TEMPLATE_SHOWN if file.has_chat_template else TEMPLATE_MISSING),
        ("runs", f"no: {file.refusal}" if file.refusal else ""),
    ]


def _tokenizer(file: FileDescription) -> str:
    tokenizer = file.tokenizer
    if tokenizer is None:
        return "none"
    kind = tokenizer.model + (f"/{tokenizer.pre}" if tokenizer.pre else "")
    special = ", ".join(f"{name} {token}" for name, token in tokenizer.special_ids.items())
    bos = {True: ", adds bos", False: ", adds no bos", None: ""}[tokenizer.add_bos]
    return f"{kind}, {tokenizer.n_vocab:,} tokens ({special}){bos}"


def _shares(title: str, shares: Sequence[Share]) -> list[str]:
    rows = [(title, "tensors", "parameters", "memory")]
    rows += [
        (share.name, str(share.tensors), units.count(share.parameters), units.size(share.bytes))
        for share in shares
    ]
    return units.aligned(rows, numbers=(1, 2, 3))


def _cache(file: FileDescription) -> list[str]:
    if not file.kv_cache:
        return []
    windows = any(kv.window_bytes for kv in file.kv_cache)
    rows = [("KV cache", "a token", *(["windows"] if windows else []), "whole context")]
    for kv in file.kv_cache:
        whole = kv.bytes_per_token * (file.context_length or 0) + kv.window_bytes
        fixed = [units.size(kv.window_bytes)] if windows else []
        rows.append((kv.type, units.size(kv.bytes_per_token), *fixed, units.size(whole)))
    return ["", *units.aligned(rows, numbers=(1, 2, 3))]


def catalogue_lines(entry: CatalogueEntry) -> list[str]:
    """What is known of a model that is not on this machine."""
    from pestle.models import fits_here

    (fit,) = fits_here([entry])
    active = f", {units.count(entry.active)} of them for a token" if entry.active else ""
    sampling = entry.sampling
    values = ", ".join(f"{n} {v:g}" for n, v in sampling.values.items()) if sampling else ""
    speed = "" if fit.speed is None or entry.embeds else f", {fit.speed:.1f} tokens/s at most"
    ways = {"fits": f"fits{speed}", "streams": "streams its experts from the disk"}
    way = ways.get(fit.way)
    here = "does not fit" if way is None else f"{units.size(fit.memory)} of memory: {way}"
    rows = [
        ("model", entry.name),
        ("good for", entry.good_for),
        ("parameters", units.count(entry.parameters) + active),
        ("architecture", entry.architecture),
        ("license", entry.license),
        ("repository", f"https://huggingface.co/{entry.source}"),
        ("file", f"{entry.file}, {units.size(entry.size)}"),
        ("sampling", values),
        ("", sampling.source if sampling else ""),
        ("", sampling.greedy or "" if sampling else ""),
        ("here", here),
    ]
    return units.aligned([row for row in rows if row[1]])


def tensor_lines(tensors: Sequence[GgufTensor]) -> list[str]:
    """One line for each tensor; the shape in GGUF's order, the contiguous dimension first."""
    rows = [("tensor", "type", "shape", "memory")]
    rows += [
        (tensor.name, tensor.type, "x".join(map(str, tensor.shape)), units.size(tensor.nbytes))
        for tensor in tensors
    ]
    return units.aligned(rows, numbers=(3,))


def _to_be_fetched(name: str | None) -> CatalogueEntry | None:
    """The entry of the hub's that a name means."""
    from pestle.models.catalogue import lookup

    known = lookup(name) if name is not None else None
    return known[0] if known is not None and isinstance(known[0].source, str) else None


def _tensor_json(tensor: GgufTensor) -> dict[str, Any]:
    names = ("name", "type", "shape", "offset", "nbytes", "shard")
    return {name: getattr(tensor, name) for name in names}


@click.command("info", short_help="Show what a model file holds.")
@click.argument("model", metavar="[FILE|NAME]", required=False, shell_complete=completion.models)
@click.option("--tensors", "with_tensors", is_flag=True, help="List the tensors.")
@json_option
@verbosity
def command(model: str | None, with_tensors: bool, as_json: bool) -> None:
    """Show what a model file holds; of the default model if none is named.

    Reads only metadata and never downloads: of a known name that is not on this machine, it shows
    what there is to fetch. Of a file that is cut, what its metadata says is shown all the same, and
    the exit code is 3.
    """
    from pestle import _core, gguf
    from pestle.errors import FormatError, ModelNotFoundError

    console = current()
    try:
        path = loading.installed_path(model)
    except ModelNotFoundError:
        entry = _to_be_fetched(model)
        if entry is None or as_json or with_tensors:
            raise
        for line in catalogue_lines(entry):
            console.out(line)
        console.note(f"It is not on this machine: `pestle pull {entry.name}` fetches it.")
        return
    description = gguf.describe(path, damaged=True)
    tensors = _core.GgufFile(path, damaged=True).tensors if with_tensors else []
    if as_json:
        data = description.to_json()
        if with_tensors:
            data["tensors"] = [_tensor_json(tensor) for tensor in tensors]
        console.json(data)
    else:
        for line in [*lines(description), *(["", *tensor_lines(tensors)] if with_tensors else [])]:
            console.out(line)
    if description.damage is not None:
        raise FormatError(description.damage)
