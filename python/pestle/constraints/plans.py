"""Which phases a model's answers have: what it thinks, what it says, what it calls."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pestle.constraints.call_values import CallableTool
from pestle.constraints.calls import arguments_grammar, calls_grammar
from pestle.constraints.constraint import Constraint
from pestle.constraints.grammar import Grammar, grammar_of_schema
from pestle.constraints.grammar_vocabulary import GrammarVocabulary, vocabulary_of
from pestle.constraints.matcher import Matcher, problems
from pestle.constraints.phases import Body, Fixed, Free, Opening, Phase, Words, sequences, words_of
from pestle.errors import GrammarError, UnsupportedError
from pestle.formats import Format
from pestle.formats.harmony import CALL, END, FUNCTIONS, MARKS, RETURN
from pestle.formats.tagged import CLOSE, OPEN
from pestle.tokenizer import Tokenizer

_ANALYSIS = "<|channel|>analysis<|message|>"
_FINAL = "<|channel|>final<|message|>"
_FINAL_JSON = "<|channel|>final <|constrain|>json<|message|>"
_PREAMBLE = "<|channel|>commentary<|message|>"
_MESSAGE = "<|start|>assistant"


@dataclass(frozen=True)
class Requirements:
    """What is wanted of an answer.

    grammar     what it says to the user; None: whatever it likes
    tools       what it may call in a form that is held
    must_call   it has to call, and says nothing else
    several     it may call more than once
    reasoning   whether it is to think first; None: as it likes
    """

    grammar: Grammar | None = None
    tools: tuple[CallableTool, ...] = ()
    must_call: bool = False
    several: bool = True
    reasoning: bool | None = None


@dataclass(frozen=True)
class Plan:
    """How an answer begins, and what leads out of its reasoning; None: what the format says."""

    n_vocab: int
    start: Phase
    lead_out: tuple[int, ...] | None = None

    def constraint(self) -> Constraint:
        """For one answer."""
        return Constraint(self.n_vocab, self.start)


def text_plan(
    grammar: Grammar, tokenizer: Tokenizer, n_vocab: int, form: Format | None = None
) -> Plan:
    """A text that follows a grammar from its first token on. Raises GrammarError.

    The marks of `form` are not text, as in chats, so both share the vocabulary that is made.
    """
    vocabulary = vocabulary_of(tokenizer, n_vocab, _marks(form, tokenizer).values())
    return Plan(n_vocab, Body(_matcher(grammar, vocabulary), _any_of(vocabulary.ends)))


def planner(wanted: Requirements, form: Format, tokenizer: Tokenizer, n_vocab: int) -> Planner:
    """What plans answers to chats in which so much is wanted of them.

    Reasoning comes as without a plan, but for tokens that would end the answer within it. Raises
    GrammarError for a grammar that cannot be held, UnsupportedError for what the format cannot do.
    """
    kind = _Harmony if form.name == "harmony" else _Tagged
    marks = _marks(form, tokenizer)
    vocabulary = vocabulary_of(tokenizer, n_vocab, marks.values())
    return kind(wanted, form, tokenizer, vocabulary, marks)


def _marks(form: Format | None, tokenizer: Tokenizer) -> dict[str, int]:
    """The marks of a format that are tokens."""
    spellings = () if form is None else form.marks
    known = ((mark, tokenizer.token_id(mark)) for mark in spellings)
    return {mark: token for mark, token in known if token is not None}


class Planner(ABC):
    """Plans the answers of a format. What they hold answers to is compiled when it is made."""

    def __init__(
        self,
        wanted: Requirements,
        form: Format,
        tokenizer: Tokenizer,
        vocabulary: GrammarVocabulary,
        marks: dict[str, int],
    ) -> None:
        self._wanted, self._form, self._tokenizer = wanted, form, tokenizer
        self._vocabulary, self._marks = vocabulary, marks
        self._n_vocab = vocabulary.n_vocab
        for tool in wanted.tools:  # each by itself: the messages are clearer
            if tool.schema is not None:
                _check(grammar_of_schema(f"tool {tool.name}", tool.schema), vocabulary)

        self._said()

    @abstractmethod
    def plan(self, prompt: Sequence[int]) -> Plan:
        """That of the answer to `prompt`. UnsupportedError where such a prompt is not known."""

    @abstractmethod
    def _said(self) -> Any:
        """What may be said to the user and called, all of it; raises where it cannot be held."""

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special=False, parse_special=True))

    def _words(self, tokens: Iterable[int] = ()) -> Words:
        return words_of(self._n_vocab, tokens)

    def _opening(self, rest: Free, end: int) -> Opening:
        """Reasoning that is not to be empty."""
        banned = rest.banned | self._words([end])
        return Opening(banned, rest, lambda token: not self._bytes(token).strip())

    def _bytes(self, token: int) -> bytes:
        return self._tokenizer.token_bytes(token) if token < self._tokenizer.n_vocab else b""

    def _answer(self) -> Matcher:
        """What the user is told."""
        assert self._wanted.grammar is not None
        return _matcher(self._wanted.grammar, self._vocabulary)

    def _spell(self, mark: str) -> str:
        token = self._marks.get(mark)
        return json.dumps(mark, ensure_ascii=False) if token is None else f"<[{token}]>"

    def _calls(self, *, several: bool) -> Grammar:
        if self._form.calls is None:
            raise UnsupportedError("Pestle does not know the form of this model's tool calls")
        tools = self._wanted.tools
        source = calls_grammar(self._form, self._spell, tools, several=several)
        return Grammar("tools", source)


class _Tagged(Planner):
    """Reasoning between tags, then content or calls; and formats that have neither."""

    def plan(self, prompt: Sequence[int]) -> Plan:
        said = self._said()
        stands = self._form.stands(prompt)
        if stands == "reasoned" or not self._form.thinks:
            return Plan(self._n_vocab, said)
        if self._wanted.reasoning is False and stands == "start":
            return Plan(self._n_vocab, said)
        if OPEN not in self._marks or CLOSE not in self._marks:
            raise UnsupportedError(
                f"the model spells {CLOSE} in several tokens, so where its reasoning ends cannot "
                "be told by one: switch it off for a schema, a grammar or forced calls"
            )
        reasoning = self._reasoning(said)
        if stands == "reasoning":
            return Plan(self._n_vocab, reasoning)
        otherwise = None if self._wanted.reasoning else said
        return Plan(self._n_vocab, Fixed({self._marks[OPEN]: reasoning}, otherwise))

    def _reasoning(self, said: Phase) -> Phase:
        # As the tokenizer writes them behind text, and as it does behind a tag.
        line_ends = [
            tuple(tokens)
            for text in ("\n", "\n\n")
            for tokens in (self._tokenizer.encode_within(text), self._tokens(text))
        ]
        after = sequences(dict.fromkeys(line_ends, said), said)
        close = self._marks[CLOSE]
        free = Free(self._words(self._vocabulary.ends), {close: after})
        return self._opening(free, close) if self._wanted.reasoning else free

    def _said(self) -> Phase:
        wanted, done = self._wanted, _any_of(self._vocabulary.ends)
        if wanted.must_call:
            calls = self._calls(several=wanted.several)
            return Body(_matcher(calls, self._vocabulary), done)
        if not wanted.tools:
            return Body(self._answer(), done)
        if wanted.grammar is not None:
            either = _either(wanted.grammar, self._calls(several=wanted.several))
            return Body(_matcher(either, self._vocabulary), done)
        begin = self._marks.get(self._form.first_mark_of_calls or "")
        if begin is None:
            raise UnsupportedError(
                "the model's calls begin with no token of their own, so `strict` cannot be held"
            )
        # The calls of these forms stand together, those of others one by one. Nothing follows
        # calls that have no end of their own.
        is_last = self._form.name == "trailing"
        together = is_last or self._form.calls == "separated"
        calls = self._calls(several=wanted.several and together)
        content = Free(self._words())
        rest = done if is_last else content
        content.ends[begin] = Body(_matcher(calls, self._vocabulary), rest)
        return content


class _Harmony(Planner):
    """Messages, whose headers are held too: only they tell what a message is."""

    def plan(self, prompt: Sequence[int]) -> Plan:
        stands = self._form.stands(prompt)
        if stands not in ("start", "reasoning"):
            raise UnsupportedError("the chat template ends within a header that is not known")
        end = self._marks[END]
        analysis = Free(self._all_but(end))
        opening = self._opening(analysis, end)
        headers = self._said()
        following = {self._tokens(_MESSAGE + header): rest for header, rest in headers.items()}
        analysis.ends[end] = sequences({self._tokens(_MESSAGE + _ANALYSIS): analysis} | following)
        for rest in headers.values():
            if isinstance(rest, Free) and end in rest.ends:
                rest.ends[end] = analysis.ends[end]
        start = opening if stands == "reasoning" else sequences({self._tokens(_ANALYSIS): opening})
        return Plan(self._n_vocab, start, self._lead_out() if self._wanted.must_call else None)

    def _said(self) -> dict[str, Phase]:
        """The headers of messages but those of the analysis, and what comes after each."""
        wanted, headers = self._wanted, dict[str, Phase]()
        for tool in wanted.tools:
            arguments = Grammar(f"tool {tool.name}", arguments_grammar(tool))
            rest = Body(_matcher(arguments, self._vocabulary), _any_of([self._marks[CALL]]))
            headers |= dict.fromkeys(_call_headers(tool.name), rest)
        if wanted.must_call:
            return headers
        if wanted.grammar is None:
            end = self._marks[END]
            preamble = Free(self._all_but(end), {end: Fixed({})})
            return headers | {_FINAL: Free(self._all_but(self._marks[RETURN])), _PREAMBLE: preamble}
        rest = Body(self._answer(), _any_of([self._marks[RETURN]]))
        return headers | dict.fromkeys((_FINAL, _FINAL_JSON), rest)

    def _all_but(self, end: int) -> Words:
        """Control tokens that have no place in a message which `end` ends."""
        return self._words({*map(self._marks.__getitem__, MARKS), *self._vocabulary.ends} - {end})

    def _lead_out(self) -> tuple[int, ...]:
        """The end of the reasoning, and as much of a call's header as all tools have."""
        headers = [self._tokens(_call_headers(tool.name)[0]) for tool in self._wanted.tools]
        common = takewhile(lambda several: len({*several}) == 1, zip(*headers, strict=False))
        return self._tokens(END + _MESSAGE) + tuple(several[0] for several in common)


def _call_headers(name: str) -> tuple[str, str]:
    to = f" to={FUNCTIONS}{name}"
    kind = " <|constrain|>json<|message|>"
    return f"<|channel|>commentary{to}{kind}", f"{to}<|channel|>commentary{kind}"


def _any_of(tokens: Iterable[int]) -> Fixed:
    """The end of an answer."""
    return Fixed(dict.fromkeys(tokens, Fixed({})))


def _either(one: Grammar, other: Grammar) -> Grammar:
    grammars: list[dict[str, object]] = [{"lark_grammar": "start: @one | @other\n"}]
    for name, grammar in (("one", one), ("other", other)):
        first, *more = _parts(grammar)
        grammars += [{**first, "name": name}, *more]
    return Grammar(f"{one.name} or {other.name}", json.dumps({"grammars": grammars}))


def _parts(grammar: Grammar) -> list[dict[str, object]]:
    if not grammar.source.lstrip().startswith("{"):
        return [{"lark_grammar": grammar.source}]
    return list(json.loads(grammar.source)["grammars"])


def _matcher(grammar: Grammar, vocabulary: GrammarVocabulary) -> Matcher:
    _check(grammar, vocabulary)
    try:
        return Matcher(vocabulary, grammar.source)
    except GrammarError as error:
        raise GrammarError(f"{grammar.name}: {error}") from error


def _check(grammar: Grammar, vocabulary: GrammarVocabulary) -> None:
    """Raise GrammarError for whatever is wrong with a grammar, or would be left out of it."""
    wrong = problems(vocabulary, grammar.source)
    if wrong:
        raise GrammarError(f"{grammar.name}: {'; '.join(wrong)}")
