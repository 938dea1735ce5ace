"""An agent with three tools: the model calls functions, and answers from what they give.

    python examples/agent.py "What is 17 plus 25?"
    python examples/agent.py --model qwen3-4b-2507 "Which files are here, and how late is it?"

The default model is tiny and was never told of tools: it gets a template that tells it
(examples/tools.jinja), and its first answer has to be one call.
"""

import argparse
from datetime import datetime
from pathlib import Path

from pestle import LLM, ToolCall

TEMPLATE = Path(__file__).parent / "tools.jinja"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def clock() -> str:
    """The date and the time."""
    return f"{datetime.now():%A, %d %B %Y, %H:%M}"


def files(folder: str = ".") -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def approve(call: ToolCall) -> bool:
    """Say what is called. This is the place to ask somebody first."""
    print(f"* {call.name}({call.arguments})")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--model")
    options = parser.parse_args()
    template = None if options.model else TEMPLATE.read_text("utf-8")
    with LLM(options.model, chat_template=template) as llm:
        chat = llm.conversation(tools=[add, clock, files])
        if options.model:
            print(chat.converse(options.question, approve=approve).text)
            return
        asked = chat.ask(options.question, tool_choice="required", parallel_tool_calls=False)
        for call in asked.tool_calls:
            approve(call)
        chat.answer_calls()
        print(f"= {chat.messages[-1]['content']}")
        print(chat.proceed(tool_choice="none", max_tokens=60).text)


if __name__ == "__main__":
    main()
