"""SentencePiece-style BPE (`tokenizer.ggml.model` = llama), which merges by score.

Text is cut into characters; of all neighbours that together are a token, those with the highest
score merge first, the leftmost where scores are equal. What is not a token in the end is spelled in
byte tokens. This is done here and not by a merge list for `tokenizers`, because that list has to
be derived from the vocabulary at every start: 0.8 s for 200,000 tokens. All of this takes 0.2 s.
"""

import re
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from pestle.errors import TokenizerError, UnknownCharacterError
from pestle.tokenizer.vocabulary import TokenType, Vocabulary

SPACE = "\u2581"
_KEPT_WORDS = 50_000


class SpmEncoder:
    """From text to tokens, for text without control tokens."""

    def __init__(self, vocabulary: Vocabulary, scores: Sequence[float]) -> None:
        special = vocabulary.marked
        ids = {text: token for text, token in vocabulary.ids.items() if token not in special}
        self._ids = ids
        self._scores = scores
        self._longest = max(map(len, ids), default=0)
        self._bytes = _byte_tokens(vocabulary)
        unknown = vocabulary.roles["unknown"]
        # A file without an unknown token has an ordinary one at the default id.
        self._unknown = unknown if special.get(unknown) is TokenType.UNKNOWN else None
        self._prefix = SPACE if vocabulary.add_space_prefix else ""
        # Files have a run of spaces as such or as U+2581; where both are tokens, the first counts.
        user_defined = [*vocabulary.of_type(TokenType.USER_DEFINED).items()]
        self._user_defined = {text.replace(" ", SPACE): id_ for text, id_ in reversed(user_defined)}
        longest_first = sorted(self._user_defined, key=len, reverse=True)
        self._split = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
        self._word = _word_pattern(ids)
        self._known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """The tokens of `text`. A space goes before it, and again after a user-defined token.

        U+2581 in the text is a space like any other from here on, as in SentencePiece.
        """
        text = text.replace(" ", SPACE)
        pieces = self._split.split(text) if self._user_defined else [text]
        tokens: list[int] = []
        for n, piece in enumerate(pieces):
            if n % 2:
                tokens.append(self._user_defined[piece])
            elif piece:
                for word in self._word.findall(self._prefix + piece):
                    tokens += self._encode_word(word)
        return tokens

    def _encode_word(self, word: str) -> list[int]:
        tokens = self._known.get(word)
        if tokens is None:
            tokens = [token for part in self._merge(word) for token in self._spell(part)]
            if len(self._known) >= _KEPT_WORDS:
                self._known.clear()
            self._known[word] = tokens
        return tokens

    def _merge(self, word: str) -> list[str]:
        """Merge the characters of `word`, best pair first, until no two neighbours are a token."""
        # A part is named by where it began; parts[i] is empty once merged into the one before.
        parts = list(word)
        after = list(range(1, len(parts) + 1))
        before = list(range(-1, len(parts) - 1))
        queue = [
            entry
            for left in range(len(parts) - 1)
            if (entry := self._entry(parts[left] + parts[left + 1], left)) is not None
        ]
        heapify(queue)
        while queue:
            _, left, text = heappop(queue)
            right = after[left]
            if right >= len(parts) or parts[left] + parts[right] != text or not parts[left]:
                continue  # one of the two has merged with another neighbour since
            parts[left], parts[right] = text, ""
            after[left] = following = after[right]
            if following < len(parts):
                before[following] = left
                self._offer(queue, text + parts[following], left)
            if before[left] >= 0:
                self._offer(queue, parts[before[left]] + text, before[left])
        return [part for part in parts if part]

    def _entry(self, text: str, left: int) -> tuple[float, int, str] | None:
        token = self._ids.get(text) if len(text) <= self._longest else None
        return None if token is None else (-self._scores[token], left, text)

    def _offer(self, queue: list[tuple[float, int, str]], text: str, left: int) -> None:
        entry = self._entry(text, left)
        if entry is not None:
            heappush(queue, entry)

    def _spell(self, part: str) -> list[int]:
        token = self._ids.get(part)
        if token is not None:
            return [token]
        encoded = part.encode()
        if all(byte in self._bytes for byte in encoded):
            return [self._bytes[byte] for byte in encoded]
        if self._unknown is not None:
            return [self._unknown]
        raise UnknownCharacterError(
            f"the model's vocabulary has no token for {part!r}, nor for its bytes"
        )


def _word_pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Cuts a text where no merge can cross: before most spaces, so that words can be kept.

    Few tokens, if any, go on behind a space: of Gemma's 262,144 only `> </`. Words stay together
    at a space that comes after a character that it comes after in a token.
    """
    pairs = re.findall(f"([^{SPACE}\0]){SPACE}", "\0".join(texts))
    crossing = "".join(sorted({re.escape(char) for char in pairs}))
    more = f"(?:(?<=[{crossing}]){SPACE}+[^{SPACE}]*)*" if crossing else ""
    return re.compile(f"{SPACE}*[^{SPACE}]+{more}|{SPACE}+")


def _byte_tokens(vocabulary: Vocabulary) -> dict[int, int]:
    tokens = {}
    for text, token in vocabulary.of_type(TokenType.BYTE).items():
        tokens[byte_of(text, token)] = token
    return tokens


def byte_of(text: str, token: int) -> int:
    """The byte that a token with the text <0xHH> stands for."""
    if re.fullmatch(r"<0x[0-9A-Fa-f]{2}>", text) is None:
        raise TokenizerError(
            f"tokenizer.ggml.tokens element {token} is {text!r:.40}, expected <0xHH> for a byte"
        )
    return int(text[3:5], 16)
