"""From text and messages to generations: the calls, sessions, conversations.

calls          generate, chat and their asynchronous forms
requests       what a call asks for, read and checked once; runs makes generations of it
session        the calls over one sequence that keeps its prefix
tools          functions that a model may call; schemas tells it of them
thinking       the switches of models that reason
conversation   a chat that keeps its history, and conversation_async the same for asyncio; rounds
               has what its calls of tools ask for; sliding drops what the context cannot hold
"""

from pestle.chat.conversation import Conversation
from pestle.chat.session import Session

__all__ = ["Conversation", "Session"]
