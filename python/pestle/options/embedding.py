"""How vectors of texts are asked for."""

from __future__ import annotations

from typing import TypedDict


class EmbedOptions(TypedDict, total=False):
    """The keyword options of `embed` and `aembed`.

    Attributes:
        pooling: "mean": of the states of all tokens; "last": the last token's; default: as the file
            says. A file that says nothing gives vectors only to those who choose.
        normalize: True: scaled to length 1.
        dimensions: So many columns, the first, which only models that were trained for it make good
            use of; default: all.
        parse_special: False; True: text like `<|im_end|>` means the control token of that name.
    """

    pooling: str | None
    """"mean": of the states of all tokens; "last": the last token's; default: as the file says.
    A file that says nothing gives vectors only to those who choose.
    """
    normalize: bool
    """True: scaled to length 1."""
    dimensions: int | None
    """So many columns, the first, which only models that were trained for it make good use of;
    default: all.
    """
    parse_special: bool
    """False; True: text like `<|im_end|>` means the control token of that name."""
