"""One evaluation: how well a model foresees texts, and how far it is from its reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from pestle.errors import FormatError
from pestle.progress import Progress, task
from pestle.quality.agreement import check_tokenizers, same_template
from pestle.quality.divergence import compare, losses
from pestle.quality.figures import Figures, Tally
from pestle.quality.logit_sources import LogitSource, following, pieces
from pestle.quality.room import spares_cache, streams
from pestle.quality.subject import Subject
from pestle.quality.text_set import TextSet
from pestle.quality.verdict import problems_of
from pestle.quality.windows import Windows, fixed_now, windows_of
from pestle.template import template_of
from pestle.tokenizer import Tokenizer

JSON_VERSION = 1
CTX_SIZE = 512
"""Tokens of a window, where nobody says otherwise."""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What was measured.

    Attributes:
        model: The model's name.
        reference: The reference's, if there was one.
        texts: The name of the texts, and
        texts_sha256: their digest.
        left_out: Texts that the model has no way to read, and why.
        ctx_size: Tokens of a window.
        total: The figures of all texts.
        categories: The figures of each kind of text.
        problems: What is not as it should be, a sentence each; without a reference nobody can tell.
    """

    model: str
    reference: str | None
    texts: str
    texts_sha256: str
    left_out: tuple[str, ...]
    ctx_size: int
    total: Figures
    categories: Mapping[str, Figures]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the file."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them: numbers, texts, lists and dicts.

        "version" goes up when a field changes its meaning or goes away.
        """
        lists = {"left_out": list(self.left_out), "problems": list(self.problems)}
        return {"version": JSON_VERSION, **asdict(self), **lists}

    def __repr__(self) -> str:
        lost = self.total.divergence
        compared = "" if lost is None else f", divergence={lost.mean:.3g} from {self.reference!r}"
        found = f"perplexity={self.total.perplexity:.4g}{compared}"
        return f"Evaluation({self.model!r}, {self.total.tokens} tokens, {found}, ok={self.ok})"


def measure(
    model: Subject,
    reference: Subject | None,
    texts: TextSet,
    *,
    ctx_size: int = CTX_SIZE,
    threads: int = 0,
    stream: bool | None = None,
    memory: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate `model` on the texts, each cut into windows of `ctx_size` tokens.

    A context for which the model was not trained is cut down to that for which it was.

    stream: run both layer by layer, with one layer in memory at a time; None: where the whole of
    both does not fit. The figures are the same.
    memory: bytes that the whole process may take; None: what is free.
    progress: hears of tokens; those of a streamed model count once for each layer.
    Raises TokenizerError where the reference reads text otherwise, FormatError where the two have
    vocabularies of different sizes or no text is left, MemoryLimitError, with the sum, where
    `memory` does not suffice, and what loading a model raises.
    """
    tokenizer = Tokenizer.from_gguf(model.metadata)
    if reference is not None:
        check_tokenizers(model.name, model.metadata, reference.metadata)
    template = template_of(model.metadata, tokenizer, now=fixed_now)
    ctx_size = min(ctx_size, _trained_for(model) or ctx_size)
    windows = windows_of(texts, tokenizer, template, ctx_size)
    subjects = [model] if reference is None else [model, reference]
    stream = streams(subjects, windows.windows, threads=threads, stream=stream, memory=memory)
    if spares_cache(subjects):
        for subject in subjects:
            subject.spare_cache()
    tallies: dict[str, Tally] = {}
    with ExitStack() as stack:
        sources = [
            stack.enter_context(
                subject.source(windows.windows, threads=threads, stream=stream, progress=progress)
            )
            for subject in subjects
        ]
        advance = stack.enter_context(task(progress, "Comparing", windows.n_tokens))
        for category, tally, n_tokens in _tallies(windows, sources, threads, model.name):
            tallies.setdefault(category, Tally()).merge(tally)
            advance(n_tokens)
    total = Tally()
    for tally in tallies.values():
        total.merge(tally)
    found = total.figures()
    problems = []
    if reference is not None:
        problems = problems_of(found, model.types, reference.types)
        if not same_template(model.metadata, reference.metadata):
            problems.append("its chat template is not the reference's")
    return Evaluation(
        model.name,
        None if reference is None else reference.name,
        texts.name,
        texts.digest,
        windows.left_out,
        ctx_size,
        found,
        {category: tally.figures() for category, tally in tallies.items()},
        tuple(problems),
    )


def _trained_for(model: Subject) -> int | None:
    """Tokens; None where that is missing or malformed, which loading refuses."""
    architecture = model.metadata.get("general.architecture")
    found = model.metadata.get(f"{architecture}.context_length")
    return found if isinstance(found, int) and found > 0 else None


def _tallies(
    windows: Windows, sources: list[LogitSource], threads: int, name: str
) -> Iterator[tuple[str, Tally, int]]:
    """Window after window: its category, what it gives, and its tokens."""
    n_vocab = sources[0].n_vocab
    if len(sources) > 1 and sources[1].n_vocab != n_vocab:
        raise FormatError(
            f"{name}: its output has {n_vocab} rows, expected {sources[1].n_vocab} as the "
            "reference's"
        )
    for number, window in enumerate(windows.windows):
        tally = Tally()
        for start, stop in pieces(window.positions, n_vocab):
            tokens = following(window, start, stop)
            logits = [source.logits(number, start, stop) for source in sources]
            if len(logits) == 1:
                tally.add(losses(logits[0], tokens, threads=threads))
            else:
                tally.add(compare(logits[1], logits[0], tokens, threads=threads))
        yield window.category, tally, len(window.tokens)
