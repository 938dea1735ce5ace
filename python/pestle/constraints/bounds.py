"""How large what a caller asks for may be: what cannot be interrupted is bounded before it begins.

Most of what could go wrong `llguidance` counts itself, and stops (`LIMITS`). Bounded here is what
it does not: texts so long that reading them takes seconds, and schemas whose patterns meet in one
string, which it intersects in time that doubles with each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from llguidance import LLParserLimits

from pestle.errors import GrammarError, shown

MOST_CHARS = 500_000
"""Characters of a schema (as JSON), of a grammar, and of all choices."""
MOST_REGEX_CHARS = 100_000
"""Characters of a regular expression, and of what repetitions such as `{1000}` make of it."""
MOST_PROPERTIES = 2_000
"""Properties of one object. Their time grows with the square: 5,000 take two seconds."""
DEEPEST = 100
"""Levels of a schema's JSON."""
LEAST_INTEGER = -(2**53)
"""JSON's numbers are exact down to it (RFC 8259, section 6). Near -2^63, `llguidance` crashes."""
_MOST_PATTERNS = 8  # that one string has to match; each doubles the time
_MOST_MERGED = 20_000  # schemas that `allOf` and `$ref` bring together
LIMITS = LLParserLimits(max_lexer_states=100_000)  # up to 2 kB each

_OF_STRINGS = ("pattern", "format")
_TOGETHER = ("allOf", "anyOf", "oneOf")


def check_length(name: str, n: int, most: int = MOST_CHARS) -> None:
    """Raise GrammarError for more than so many characters."""
    if n > most:
        raise GrammarError(f"{name} has {n:,} characters, at most {most:,} allowed")


def check_schema(name: str, schema: Any) -> None:
    """Raise GrammarError for a schema that is too deep, or that cannot be read in a short time."""
    stack: list[Iterator[Any]] = [iter((schema,))]
    merging = []
    while stack:
        for value in stack[-1]:
            if isinstance(value, Mapping):
                if len(value) > MOST_PROPERTIES:
                    raise GrammarError(
                        f"{name} has an object of {len(value):,} entries, "
                        f"at most {MOST_PROPERTIES:,} allowed"
                    )
                if "allOf" in value or "$ref" in value:
                    merging.append(value)
                stack.append(iter(value.values()))
                break
            if isinstance(value, (list, tuple)):
                stack.append(iter(value))
                break
            if isinstance(value, int) and value < LEAST_INTEGER:
                raise GrammarError(f"{name} has the integer {shown(value)}, expected -2^53 or more")
        else:
            stack.pop()
        if len(stack) > DEEPEST:
            raise GrammarError(f"{name} is nested more than {DEEPEST} levels deep")
    for each in merging:
        most = max(_Meeting(name, schema).patterns(each).values(), default=0)
        if most > _MOST_PATTERNS:
            raise GrammarError(
                f"{name}: `allOf` has one string match {most} patterns, "
                f"at most {_MOST_PATTERNS} allowed"
            )


class _Meeting:
    """Counts the patterns that a text has to match at once, by its place in the value."""

    def __init__(self, name: str, root: Any) -> None:
        self._name, self._root = name, root
        self._left = _MOST_MERGED
        self._open: set[tuple[int, str]] = set()  # what is being counted, to end at circles

    def patterns(self, schema: Any, place: str = "") -> Counter[str]:
        """At most so many in each place of what `schema` describes, if it stands at `place`."""
        found = Counter[str]()
        self._left -= 1
        if self._left < 0:
            most = f"more than {_MOST_MERGED:,} schemas"
            raise GrammarError(f"{self._name}: `allOf` and `$ref` bring together {most}")
        mark = (id(schema), place)
        if not isinstance(schema, Mapping) or mark in self._open or len(self._open) > DEEPEST:
            return found
        self._open.add(mark)
        found[place] += sum(key in schema for key in _OF_STRINGS)
        for key in _TOGETHER:
            options = schema.get(key)
            together = Counter[str]()
            for option in options if isinstance(options, list) else ():
                more = self.patterns(option, place)
                together = together + more if key == "allOf" else together | more
            found += together
        for below, inside in _places(schema, place):
            found += self.patterns(inside, below)
        found += self.patterns(_target(self._root, schema.get("$ref")), place)
        self._open.discard(mark)
        return found


def _places(schema: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """The schemas of what is inside a value, each with its place."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        yield from ((f"{place}/{key}", inside) for key, inside in properties.items())
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield f"{place}/*{key}", schema[key]


def _target(root: Any, ref: Any) -> Any:
    """What a `$ref` within the schema points at; None for other ones."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found = root
    for part in filter(None, ref[1:].split("/")):
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
