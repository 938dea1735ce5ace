"""`pestle.evaluate`: one call from a model and its reference to what lies between them."""

from __future__ import annotations

import os
from pathlib import Path

from pestle.huggingface import open_model
from pestle.models import resolve
from pestle.options import check_bool, check_integer
from pestle.options.arguments import known_arguments
from pestle.options.checks import INT32_MAX, check_path, check_progress, check_size
from pestle.progress import Progress
from pestle.quality.checkpoint_subject import CheckpointSubject
from pestle.quality.evaluation import CTX_SIZE, Evaluation, measure
from pestle.quality.subject import FileSubject, Subject
from pestle.quality.text_set import built_in, from_file


@known_arguments
def evaluate(
    model: str | os.PathLike[str],
    *,
    reference: str | os.PathLike[str] | None = None,
    texts: str | os.PathLike[str] | None = None,
    ctx_size: int = CTX_SIZE,
    threads: int = 0,
    stream: bool | None = None,
    memory: int | str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model's perplexity, and its divergence from a reference.

    Args:
        model: A GGUF file, or a name that `pestle ls` lists.
        reference: A GGUF file of higher precision, or the folder of the checkpoint that the model
            was made from. A checkpoint is run layer by layer, in full precision, and never as a
            whole on the disk or in memory.
        texts: A file of text in UTF-8 to use instead of the built-in set.
        ctx_size: Tokens of the windows into which texts are cut; each is read on its own. Not more
            than the model was trained for are taken.
        threads: 0 for one per usable core. Never decides a figure, nor does the instruction set.
        stream: Run the files layer by layer too; None: where they do not fit into memory. The
            figures are the same.
        memory: What the whole process may take, in bytes or as "12GiB": models that do not fit are
            run layer by layer. None: what is free.
        progress: Hears of tokens; those of a model that is run by layers count once a layer.

    Raises TokenizerError where the two read text differently, UnsupportedError and FormatError for
    files that are not run, MemoryLimitError, with the sum where `memory` does not suffice,
    ModelNotFoundError, and ArgumentError, a ValueError, for a wrong argument, such as a `ctx_size`
    below 2.
    """
    check_path("model", model)
    for name, path in (("reference", reference), ("texts", texts)):
        if path is not None:
            check_path(name, path)
    ctx_size = check_integer("ctx_size", ctx_size, 2)
    threads = check_integer("threads", threads, 0, INT32_MAX)
    if stream is not None:
        check_bool("stream", stream)
    check_progress(progress)
    subject = FileSubject(resolve(model, offline=True))
    other = None if reference is None else _reference(reference)
    return measure(
        subject,
        other,
        built_in() if texts is None else from_file(texts),
        ctx_size=ctx_size,
        threads=threads,
        stream=stream,
        memory=None if memory is None else check_size("memory", memory),
        progress=progress,
    )


def _reference(reference: str | os.PathLike[str]) -> Subject:
    if Path(reference).is_dir():
        return CheckpointSubject(open_model(Path(reference)))
    return FileSubject(resolve(reference, offline=True))
