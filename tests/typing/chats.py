"""A user's program: chats, conversations, sessions."""

from typing import Any

from pestle import LLM, ChatCompletion, ContextLengthError, Conversation, Error, Session, Stream
from typing_extensions import assert_type

messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
messages.append({"role": "user", "content": [{"type": "text", "text": "Hello!"}]})

with LLM() as llm:
    answer = llm.chat(messages, temperature=0.2, reasoning=False)
    assert_type(answer, ChatCompletion)
    assert_type(answer.content, str)
    assert_type(answer.message, dict[str, Any])
    messages.append(answer.message)
    for chunk in llm.chat([{"role": "user", "content": "Hi"}], stream=True):
        print(chunk.content, chunk.reasoning)
    assert_type(llm.chat_all([messages, messages], max_tokens=5), list[ChatCompletion])

    conversation = llm.conversation("Be brief.", on_full="slide")
    assert_type(conversation, Conversation)
    try:
        assert_type(conversation.ask("Who are you?", max_tokens=20), ChatCompletion)
        assert_type(conversation.ask("And?", stream=True), Stream[ChatCompletion])
        assert_type(conversation.regenerate(), ChatCompletion)
    except ContextLengthError as error:
        print(error.needed, error.limit)
    except Error as error:
        print(error)
    print(conversation.save("trip").messages, conversation.load("trip").reason)

    session = llm.session()
    assert_type(session, Session)
    assert_type(session.fork().chat(messages), ChatCompletion)
