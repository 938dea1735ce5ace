"""A user's program: answers that are held to a schema, and tools."""

from typing import Any, Literal

from pestle import LLM, ChatCompletion, ParseError, ToolCall
from pydantic import BaseModel
from typing_extensions import assert_type


class City(BaseModel):
    name: str
    inhabitants: int | None = None


def weather(place: str, unit: Literal["c", "f"] = "c") -> dict[str, Any]:
    """The weather at a place."""
    return {"place": place, "unit": unit}


async def forecast(place: str) -> str:
    """The forecast for a place."""
    return f"{place}: fair"


def approve(call: ToolCall) -> bool:
    return call.name == "weather"


question = [{"role": "user", "content": "The capital of France?"}]
described = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
with LLM() as llm:
    answer = llm.chat(question, json_schema=City)
    try:
        city: City = answer.parsed
        print(city.name, city.inhabitants)
    except ParseError as error:
        print(error)
    llm.chat(question, response_format={"type": "json_object"})
    llm.chat(question, json_schema={"type": "object"}, parallel_tool_calls=False)
    llm.generate("A date: ", regex=r"\d{4}-\d\d-\d\d")
    called = llm.chat(question, tools=[weather, described], tool_choice="required")
    for call in called.tool_calls:
        assert_type(call.arguments, str)
    conversation = llm.conversation(tools=[weather, forecast])
    assert_type(conversation.converse("Rain?", approve=approve, most_rounds=3), ChatCompletion)
