"""Pestle as a chat model of LangChain's, in process: streamed, with tools and structured output.

    pip install langchain-core
    python examples/langchain_model.py "What is the capital of France?"

`pestle serve` with langchain-openai needs no code at all (docs/clients.md); this needs no server.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_openai_messages,
)
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pestle import LLM, CallDelta


def call(delta: CallDelta) -> Any:
    return tool_call_chunk(
        index=delta.index, id=delta.id or None, name=delta.name or None, args=delta.arguments
    )


class ChatPestle(BaseChatModel):
    """A model of LangChain's over an `LLM`; keywords of a call are `pestle.ChatOptions`."""

    llm: Any  # a pestle.LLM

    @property
    def _llm_type(self) -> str:
        return "pestle"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        described = [convert_to_openai_tool(tool) for tool in tools]
        names = [tool["function"]["name"] for tool in described]
        choice: Any = "required" if tool_choice == "any" else tool_choice
        if choice == "required" and len(names) == 1:
            (choice,) = names  # a function that is named is called once
        if choice in names:
            choice = {"type": "function", "function": {"name": choice}}
        return self.bind(tools=described, tool_choice=choice, **kwargs)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(*args, **kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        model: LLM = self.llm
        given: Any = convert_to_openai_messages(messages)
        with model.chat(given, stop=stop, stream=True, **kwargs) as pieces:
            for piece in pieces:
                calls = [call(delta) for delta in piece.call_deltas]
                message = AIMessageChunk(content=piece.text, tool_call_chunks=calls)
                yield ChatGenerationChunk(message=message)


def main() -> None:
    question = sys.argv[1] if len(sys.argv) > 1 else "What is the capital of France?"
    with LLM() as llm:
        for piece in ChatPestle(llm=llm).stream(question, temperature=0, max_tokens=60):
            print(piece.content, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
