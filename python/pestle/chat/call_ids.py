"""Names of tool calls, by which their results refer to them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from string import ascii_letters, digits
from typing import Any

_LENGTH = 9  # letters and digits: Mistral's templates insist
_ALPHABET = digits + ascii_letters


def call_ids(
    messages: Sequence[Mapping[str, Any]], prompt: Sequence[int], seed: int | None
) -> Iterator[str]:
    """Ids for the calls of the answer to `messages`, none of which the messages have.

    They are made from what decides the answer: the tokens of the prompt, and the seed, if there is
    one. So the same answer has the same ids, and others have others, even at the same time: a
    client may join histories. Among a million calls, two have the same id with a chance of 1 in
    27,000.
    """
    from hashlib import sha256  # most answers have no calls

    used = {message.get("tool_call_id") for message in messages}
    used.update(call.get("id") for each in messages for call in each.get("tool_calls") or ())
    said = sha256(array("Q", [seed or 0, *prompt]).tobytes())
    for n in count():
        each = said.copy()
        each.update(b"%d" % n)
        number, letters = int.from_bytes(each.digest(), "little"), ""
        for _ in range(_LENGTH):
            number, digit = divmod(number, len(_ALPHABET))
            letters += _ALPHABET[digit]
        if letters not in used:
            yield letters
