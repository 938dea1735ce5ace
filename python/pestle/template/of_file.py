"""The template of a model file, as it is to be used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pestle.template.chat_template import ChatTemplate
from pestle.template.harmony import NOTICE, HarmonyTemplate, is_published
from pestle.tokenizer import Metadata, Tokenizer


def template_of(
    metadata: Metadata, tokenizer: Tokenizer, *, now: Callable[[], datetime] = datetime.now
) -> ChatTemplate | None:
    """The file's template, with what is known to be wrong put right; None if it has none.

    `now` tells it the date. Raises TemplateError for metadata that is no template.
    """
    template = ChatTemplate.from_gguf(metadata, tokenizer, now=now)
    if template is None or not is_published(template.source):
        return template
    return HarmonyTemplate(template.source, tokenizer, notices=(NOTICE,), now=now)
