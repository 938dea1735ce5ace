"""What is wrong with the names of arguments, in the words that options have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

Call = TypeVar("Call", bound=Callable[..., Any])

# Names that other programs have for what is meant, too far from ours to be recognised as such.
_ELSEWHERE = {
    "context_length": "n_ctx",
    "ctx_size": "n_ctx",
    "max_model_len": "n_ctx",
    "max_seq_len": "n_ctx",
    "repo_id": "hf",
    "add_special_tokens": "add_special",
    "skip_special_tokens": "skip_special",
    "system_prompt": "system",
    "add_bos": "add_special",
    "add_bos_token": "add_special",
    "output_path": "output",
    "outfile": "output",
    "outtype": "to",
    "type": "to",
    "quant": "to",
    "quantization": "to",
    "dataset": "texts",
}
_IN_OTHER_WORDS = {
    "device": "Pestle computes on the CPU alone",
    "device_map": "Pestle computes on the CPU alone",
    "gpu_layers": "Pestle computes on the CPU alone",
    "n_gpu_layers": "Pestle computes on the CPU alone",
    "messages": "a conversation has them as its attribute `messages`",
    "temperature": "each call takes it",
    "max_tokens": "each call takes it",
}


def known_arguments(call: Call) -> Call:
    """Have a call raise ArgumentTypeError for a name it does not have, with the nearest."""
    code = call.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    names = names[1:] if names[0] == "self" else names

    @wraps(call)
    def checked(*given: Any, **options: Any) -> Any:
        for name in options:
            if name not in names:
                raise unknown_argument(name, names)
        return call(*given, **options)

    return cast("Call", checked)


def unknown_argument(name: str, names: Sequence[str]) -> Exception:
    """The ArgumentTypeError of an argument that is not one of `names`."""
    from pestle.errors import ArgumentTypeError
    from pestle.suggest import did_you_mean  # brings difflib

    elsewhere = _ELSEWHERE.get(name)
    near = did_you_mean(name, names)
    meant = f"; did you mean {elsewhere}?" if elsewhere in names else near
    if name in _IN_OTHER_WORDS:
        meant = f"; {_IN_OTHER_WORDS[name]}"
    return ArgumentTypeError(f"unknown argument {name!r}{meant}")
