"""`qwen2`: Qwen 2 and 2.5. RoPE over halves, as in the checkpoint: no row moves."""

from typing import Final

from pestle.convert.names.base import NameMap

QWEN2: Final = NameMap("qwen2", "qwen2")
