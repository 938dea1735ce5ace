"""The server of a storm: a model whose template knows tools, with little memory.

python tools/load/storm_server.py FILE.gguf --port PORT
"""

from __future__ import annotations

import argparse

from pestle import LLM
from pestle.server import ServerOptions, create_app
from pestle.server.listening import Listener, bind

# Any model's words in a form that tools are known in.
TEMPLATE = (
    "{# <tool_call> #}{% for m in messages %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% for tool in tools or () %}{{ tool | tojson }}{% endfor %}"
    "<|im_start|>assistant\n"
)
_STALL = 10.0  # seconds: that nobody reads shall not make a storm long


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kv-memory", type=int, default=384, metavar="MIB")
    given = parser.parse_args()
    memory = given.kv_memory << 20
    with LLM(
        given.file,
        threads=given.threads,
        chat_template=TEMPLATE,
        kv_memory=memory,
        prefix_cache=memory // 4,
    ) as llm:
        app = create_app(llm, ServerOptions(stall=_STALL))
        Listener(app, 8.0, lambda: None).run(bind("127.0.0.1", given.port))


if __name__ == "__main__":
    main()
