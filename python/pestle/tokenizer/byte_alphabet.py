"""The alphabet of byte-level BPE: one printable character for each of the 256 bytes."""

_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHERS = sorted(set(range(256)) - set(_PRINTABLE))

# Printable bytes stand for themselves; the others, in order, for U+0100 and up (a space is U+0120).
CHAR_OF_BYTE: dict[int, str] = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(0x100 + n) for n, byte in enumerate(_OTHERS)
}
BYTE_OF_CHAR: dict[str, int] = {char: byte for byte, char in CHAR_OF_BYTE.items()}


def bytes_of(text: str) -> bytes:
    """The bytes that a token's text stands for.

    A text with a character outside the alphabet was never byte-mapped and stands for its UTF-8.
    """
    try:
        return bytes([BYTE_OF_CHAR[char] for char in text])
    except KeyError:
        return text.encode("utf-8", "surrogateescape")
