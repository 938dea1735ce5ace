"""Chat templates: how a model wants its conversations written."""

from pestle.template.chat_template import ChatTemplate

__all__ = ["ChatTemplate"]
