"""What is planned of one model: whether it runs here, in how much memory, how fast."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from pestle.footprint.fit import Fit

PROMPT: Final = 512
"""Tokens of the prompt whose reading is predicted."""


@dataclass(frozen=True)
class Rate:
    """Tokens a second: the likely number, and the range around it."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True)
class Streaming:
    """What experts on the disk cost a token behind a prompt.

    Attributes:
        compute: Seconds of a token whose experts are all in memory.
        reading: Seconds in which the disk reads all experts of a token.
        hits: The share of them that is in memory: the least, and the likely one.
    """

    compute: float
    reading: float
    hits: tuple[float, float]

    def seconds(self, hits: float) -> float:
        """Seconds of a token with such a share of hits."""
        return self.compute + (1 - hits) * self.reading


@dataclass(frozen=True, repr=False)
class Plan:
    """What to expect of a model on this machine. What could not be measured is None.

    Attributes:
        name: What `pestle chat` and the others take, after -m or -hf.
        quant: Its encoding by its name, None where that says nothing.
        command: The line to type.
        file_bytes: Bytes of all shards.
        download_bytes: Bytes of them that are not on this machine yet.
        disk_free: Bytes that are free where a download would go.
        refusal: Why it does not run here at all; None: it is a matter of memory.
        fit: How it runs, and what it takes by item; None where `refusal` says why not.
        decode: Tokens a second of writing behind a prompt of 512 tokens.
        decode_full: The same at the end of the context.
        streaming: What `decode` is made of where experts are streamed.
        binds: What a token waits for: "memory bandwidth", "arithmetic" or "disk".
        prefill: Tokens a second of reading a prompt of 512 tokens.
        first_token: Seconds from such a prompt to the first token.
        unmeasured: What is not known of this machine.
        measured: Unix time of the oldest measurement that counts.
        disturbed: Whether other programs kept the machine busy while it was measured.
    """

    name: str
    quant: str | None
    command: str
    file_bytes: int
    download_bytes: int
    disk_free: int | None
    refusal: str | None = None
    fit: Fit | None = None
    decode: Rate | None = None
    decode_full: Rate | None = None
    streaming: Streaming | None = None
    binds: str | None = None
    prefill: float | None = None
    first_token: float | None = None
    unmeasured: tuple[str, ...] = ()
    measured: float | None = None
    disturbed: bool = False

    @property
    def fits_memory(self) -> bool:
        """Whether it runs, with the memory that there is."""
        return self.fit is not None and self.fit.way != "no"

    @property
    def runs(self) -> bool:
        """Whether it does, here, with the memory and the disk that there are."""
        return self.obstacle() is None

    def obstacle(self) -> str | None:
        """Why it cannot run, in one sentence; None if it can."""
        if self.refusal is not None:
            return self.refusal
        if self.fit is not None and not self.fits_memory:
            return (
                f"{self.name} needs {_gb(self.fit.needed)} of memory with a context of "
                f"{self.fit.n_ctx:,} tokens, and {_gb(self.fit.budget)} are free"
            )
        if self.disk_free is not None and self.download_bytes > self.disk_free:
            return (
                f"{self.name} is a download of {_gb(self.download_bytes)}, and "
                f"{_gb(self.disk_free)} are free on the disk"
            )
        return None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them, and what follows of them: whether it runs, and why not."""
        data = asdict(self) | {"unmeasured": list(self.unmeasured)}
        if self.streaming is not None:
            data["streaming"] |= {"hits": list(self.streaming.hits)}
        if self.fit is not None:
            data["fit"] |= {"needed": self.fit.needed, "memory": dict(self.fit.memory.items())}
        return data | {"runs": self.runs, "obstacle": self.obstacle(), "prompt": PROMPT}

    def __repr__(self) -> str:
        speed = "" if self.decode is None else f", {self.decode.likely:.1f} tokens a second"
        size = f"{self.quant}, {_gb(self.file_bytes)}" if self.quant else _gb(self.file_bytes)
        return f"Plan({self.name!r}, {size}, runs={self.runs}{speed})"


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
