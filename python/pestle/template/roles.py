"""Which roles a template writes, and in which order, by what it makes of small chats.

A template is written for a conversation: one message of the system, then the user and the assistant
in turn. Of what programs send beyond that, some templates refuse a part, some leave it out, and
some write it elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pestle.errors import TemplateError

Message = Mapping[str, Any]
Render = Callable[[Sequence[Message]], str]


@dataclass(frozen=True)
class Roles:
    """What a template writes in its place.

    system             a message of the system at the beginning
    several_systems    several of them there
    late_system        one between others
    developer          a developer's message at the beginning
    late_developer     one between others
    several_users      two messages of the user, one after the other
    several_answers    two of the assistant
    """

    system: bool
    several_systems: bool
    late_system: bool
    developer: bool
    late_developer: bool
    several_users: bool
    several_answers: bool


def roles_of(render: Render) -> Roles:
    """What `render` shows of small chats. It raises TemplateError."""

    def writes(*roles: str) -> bool:
        contents = [f"probe{n}" for n in range(len(roles))]
        chat = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
        try:
            text = render(chat)
        except TemplateError:
            return False
        at = [text.find(content) for content in contents]
        return -1 not in at and at == sorted(at)

    return Roles(
        system=writes("system", "user"),
        several_systems=writes("system", "system", "user"),
        late_system=writes("system", "user", "assistant", "system", "user"),
        developer=writes("developer", "user"),
        late_developer=writes("system", "user", "assistant", "developer", "user"),
        several_users=writes("user", "user"),
        several_answers=writes("user", "assistant", "assistant", "user"),
    )
