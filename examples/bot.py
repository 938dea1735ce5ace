"""A bot for a chat room, as on Discord: many people at once, a conversation for each.

    python examples/bot.py < room.txt

A line of room.txt is `NAME: message`. Here stdin is the room; with a chat service, call
`Bot.on_message` from its event. Who writes again while an answer is being written ends that.
"""

import asyncio
import sys

from pestle import LLM, Conversation


class Bot:
    """Answers everybody at the same time; each has a conversation of their own."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        self._chats: dict[str, Conversation] = {}
        self._answering: dict[str, asyncio.Task[str]] = {}

    async def on_message(self, name: str, text: str) -> str:
        """The answer to a message; raises CancelledError when the same person writes again."""
        before = self._answering.get(name)
        if before is not None and not before.done():
            before.cancel()
            await asyncio.wait([before])  # then the conversation can be used again
        self._answering[name] = asyncio.ensure_future(self._answer(name, text))
        return await self._answering[name]

    async def _answer(self, name: str, text: str) -> str:
        if name not in self._chats:
            self._chats[name] = self._llm.conversation(on_full="slide")
        return (await self._chats[name].aask(text, max_tokens=60)).text


async def main() -> None:
    room = [line.strip().split(": ", 1) for line in sys.stdin if ": " in line]
    async with await LLM.aopen(sys.argv[1] if len(sys.argv) > 1 else None) as llm:
        bot = Bot(llm)
        asked = [bot.on_message(name, text) for name, text in room]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    for (name, _), answer in zip(room, answers, strict=True):
        said = "(went on)" if isinstance(answer, asyncio.CancelledError) else answer
        print(f"@{name}: {said}")


if __name__ == "__main__":
    asyncio.run(main())
