"""What a file says of its own quality: an evaluation in its metadata, under one key.

It is JSON, filled up with spaces: a header has its final size before anything is measured. Figures
have six digits, and nothing in it depends on the time, the machine or a path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pestle.errors import FormatError
from pestle.quality.evaluation import Evaluation
from pestle.quality.figures import Divergence, Figures

KEY: Final = "pestle.certificate"
LENGTH: Final = 6144
BLANK: Final = " " * LENGTH
"""In the place of a certificate that is not known yet."""
_SOURCE: Final = "the source"
_PROBLEM_CHARS: Final = 400


@dataclass(frozen=True)
class Certificate:
    """An evaluation against what the file was made from. `pestle`: the version that measured."""

    pestle: str
    evaluation: Evaluation

    @property
    def divergence(self) -> Divergence:
        """Of all texts."""
        found = self.evaluation.total.divergence
        assert found is not None, "it is read and made with a reference only"
        return found

    def text(self) -> str:
        """As it stands in a file: ASCII, of LENGTH characters."""
        evaluation = replace(
            self.evaluation,
            model="",
            reference=_SOURCE,
            left_out=tuple(name.partition(":")[0] for name in self.evaluation.left_out),
            problems=tuple(text[:_PROBLEM_CHARS] for text in self.evaluation.problems),
        )
        data = {"pestle": self.pestle, **evaluation.to_dict()}
        found = json.dumps(_rounded(data), separators=(",", ":"))
        if len(found) > LENGTH:
            raise AssertionError(f"a certificate of {len(found)} characters")
        return found.ljust(LENGTH)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Certificate:
        """What a file holds. FormatError: it is not a certificate."""
        try:
            evaluation = Evaluation(
                model=_text(data["model"]),
                reference=_text(data["reference"]),
                texts=_text(data["texts"]),
                texts_sha256=_text(data["texts_sha256"]),
                left_out=tuple(map(_text, data["left_out"])),
                ctx_size=int(data["ctx_size"]),
                total=_figures(data["total"]),
                categories={_text(name): _figures(of) for name, of in data["categories"].items()},
                problems=tuple(map(_text, data["problems"])),
            )
            return cls(_text(data["pestle"]), evaluation)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise FormatError(f"key `{KEY}` is not a certificate: {error!r:.80}") from error

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        data: dict[str, Any] = json.loads(self.text())
        return data


def _text(value: Any) -> str:
    """Text for a line of output: a file may hold what a terminal would act on."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(value))


def _figures(data: Mapping[str, Any]) -> Figures:
    numbers = {name: float(value) for name, value in data["divergence"].items()}
    return Figures(
        int(data["tokens"]),
        float(data["perplexity"]),
        float(data["perplexity_error"]),
        Divergence(**numbers),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(of) for key, of in value.items()}
    return value
