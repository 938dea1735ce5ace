"""A user's program: everything for asyncio."""

import asyncio
from pathlib import Path

from pestle import LLM, AsyncStream, ChatCompletion, Completion, ScoredToken, ToolCall
from typing_extensions import assert_type


async def approve(call: ToolCall) -> bool:
    await asyncio.sleep(0)
    return call.name != "rm"


async def main(llm: LLM) -> None:
    assert_type(await llm.agenerate("x", max_tokens=3), Completion)
    assert_type(await llm.achat([{"role": "user", "content": "x"}]), ChatCompletion)
    async with llm.agenerate("x", stream=True) as stream:
        assert_type(stream, AsyncStream[Completion])
        async for chunk in stream:
            print(chunk.text)
    assert_type(await stream.result(), Completion)
    assert_type(await llm.agenerate_all(["a", "b"]), list[Completion])
    assert_type(await llm.achat_all([[{"role": "user", "content": "x"}]]), list[ChatCompletion])
    assert_type(await llm.ascore("a b"), tuple[ScoredToken, ...])
    rows, vectors = await asyncio.gather(llm.alogits("a"), llm.aembed(["a"], pooling="mean"))
    print(rows.shape, vectors.shape)

    conversation = llm.conversation()
    assert_type(await conversation.aask("Hello"), ChatCompletion)
    assert_type(conversation.aask("Hello", stream=True), AsyncStream[ChatCompletion])
    assert_type(await conversation.aregenerate(), ChatCompletion)
    assert_type(await conversation.aconverse("Go", approve=approve), ChatCompletion)
    assert_type(await conversation.aanswer_calls(), int)
    await conversation.asave("talk")
    assert_type((await conversation.aload(Path("folder"))).reason, str | None)
    assert_type(await llm.adetokenize(await llm.atokenize("a b")), str)


async def opened() -> None:
    async with await LLM.aopen("model.gguf", n_ctx=4096) as llm:
        assert_type(llm, LLM)
        await main(llm)


asyncio.run(opened())
