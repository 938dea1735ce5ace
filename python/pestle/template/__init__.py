"""Chat templates: how a model wants its conversations written."""

from pestle.template.chat_template import ChatTemplate
from pestle.template.of_file import template_of

__all__ = ["ChatTemplate", "template_of"]
