"""Log probabilities as OpenAI's text completions have them: four lists, an entry for each token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from pestle.results import ScoredToken, TokenLogprob
from pestle.tokenizer import Detokenizer, Tokenizer

Lists: TypeAlias = "dict[str, list[Any]]"


class LogprobLists:
    """Makes the lists of one text, piece by piece. A token's offset is where its text begins."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._said = Detokenizer(tokenizer, at_start=False)
        self._offset = 0

    def of_prompt(self, text: str, tokens: Sequence[int], scored: Sequence[ScoredToken]) -> Lists:
        """Those of the prompt `text`, before all others; of its first token nothing is known."""
        spelled = Detokenizer(self._tokenizer, skip_special=False)
        offsets, at = list[int](), 0
        for token in tokens:
            offsets.append(min(at, len(text)))
            piece = spelled.push(token)
            # What was put before the text, such as BOS, has no place in it.
            if len(offsets) > 1 or text.startswith(piece):
                at += len(piece)
        self._offset = len(text)
        return {
            "tokens": [_name(self._tokenizer.token_bytes(token)) for token in tokens],
            "token_logprobs": [None, *(each.logprob for each in scored)],
            "top_logprobs": [None, *map(_top, scored)],
            "text_offset": offsets,
        }

    def of_answer(self, tokens: Iterable[TokenLogprob]) -> Lists:
        """Those of the next tokens that were chosen."""
        lists: Lists = {
            name: [] for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")
        }
        for each in tokens:
            entry = (_name(each.piece), each.logprob, _top(each), self._offset)
            for values, value in zip(lists.values(), entry, strict=True):
                values.append(value)
            self._offset += len(self._said.push(each.token))
        return lists


def _top(scored: TokenLogprob | ScoredToken) -> dict[str, float]:
    """The likeliest tokens, and the one that stands there. Of two of one name the likelier."""
    found: dict[str, float] = {}
    for each in (*scored.top, scored):
        found.setdefault(_name(each.piece), each.logprob)
    return found


def _name(piece: bytes) -> str:
    """A token's text; of one that is a part of a character, its bytes as OpenAI writes them."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)
