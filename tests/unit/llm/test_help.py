"""What `help()` and editors show: each public name, each option."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pydoc
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pestle
import pytest
from pestle import LLM, ChatOptions, Conversation, EmbedOptions, GenerateOptions, results
from pestle.options import EngineArguments, EngineOptions, Sampling

OPTIONS: list[Any] = [GenerateOptions, ChatOptions, EmbedOptions, EngineArguments]
CALLS: dict[Any, list[Any]] = {
    GenerateOptions: [LLM.generate, LLM.agenerate, LLM.generate_all, LLM.agenerate_all],
    ChatOptions: [
        *(LLM.chat, LLM.achat, LLM.chat_all, LLM.achat_all),
        *(Conversation.ask, Conversation.aask, Conversation.converse, Conversation.aconverse),
        *(Conversation.regenerate, Conversation.aregenerate),
        *(Conversation.proceed, Conversation.aproceed),
    ],
    EmbedOptions: [LLM.embed, LLM.aembed],
    EngineArguments: [pestle.plan],
}
# Where another call's docstring says what is raised.
REFERS = re.compile(r"`[\w.]+` (for asyncio|does|gives)|errors are those|as `[\w.]+`|As `|again")
UNITS = {"_s": "[Ss]econds", "_bytes": "[Bb]ytes", "_memory": "[Bb]ytes", "_per_s": "[Ss]peed"}


def said(options: Any) -> dict[str, str]:
    """What the section of a docstring says of each option."""
    assert options.__doc__
    section = inspect.cleandoc(options.__doc__).partition("Attributes:\n")[2]
    entries = re.split(r"^ {4}(?=\w+:)", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, _, text in (e.partition(": ") for e in entries)}


def public() -> Iterator[tuple[str, Any, Any]]:
    """Each public name of the package and of its classes: how it is written, what, and where."""
    for name in pestle.__all__:
        value = getattr(pestle, name)
        if name.startswith("_"):
            continue
        yield name, value, None
        if not inspect.isclass(value):
            continue
        for base in value.__mro__:
            if not base.__module__.startswith("pestle."):
                continue
            for member, each in vars(base).items():
                if not member.startswith("_") and (inspect.isroutine(each) or is_property(each)):
                    yield f"{name}.{member}", each, value


def is_property(value: object) -> bool:
    return isinstance(value, property) or type(value).__name__ == "cached_property"


RESULTS = [getattr(results, name) for name in results.__all__ if name != "FinishReason"]
NAMES = {name: (value, owner) for name, value, owner in public()}


def test_there_are_names() -> None:
    assert len(NAMES) > 150


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    value, _ = NAMES[name]
    written = inspect.getdoc(value)
    assert written
    # Python makes one up for a dataclass that has none.
    assert not re.fullmatch(r"\w+\(.*\)", written)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_units(name: str) -> None:
    value, owner = NAMES[name]
    text = inspect.getdoc(value) or ""
    function = value.fget if isinstance(value, property) else value
    returned = str(getattr(function, "__annotations__", {}).get("return", ""))
    if "NDArray" in returned and "for asyncio" not in text:
        assert re.search(r"\(\w+, \w+\)|\(n_", text), "an array without its shape"
    for ending, unit in UNITS.items():
        if name.endswith(ending) and is_property(value):
            assert re.search(unit, text + (inspect.getdoc(owner) or "")), f"no {unit}"


@pytest.mark.parametrize("name", [n for n, (v, _) in NAMES.items() if inspect.isfunction(v)])
def test_errors(name: str) -> None:
    """What takes values from a caller says what it raises, or which call it does as."""
    value, _ = NAMES[name]
    own = ("self", "cls", "kind", "error", "trace")
    if [p for p in inspect.signature(value).parameters if p not in own]:
        text = inspect.getdoc(value) or ""
        assert re.search(r"\b[Rr]aises?\b", text) or REFERS.search(text)


@pytest.mark.parametrize("kind", RESULTS)
def test_fields_of_results(kind: Any) -> None:
    inherited = {f.name for base in kind.__mro__[1:-1] for f in dataclasses.fields(base)}
    assert {f.name for f in dataclasses.fields(kind)} - inherited == said(kind).keys()
    for name, text in said(kind).items():
        assert not name.endswith("_s") or "Seconds" in text


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_is_explained(options: Any) -> None:
    inherited = GenerateOptions.__annotations__ if options is ChatOptions else {}
    own = options.__annotations__.keys() - inherited.keys()
    explained = said(options)
    assert explained.keys() == own
    defaults = dataclasses.asdict(Sampling())
    for name in own & defaults.keys():
        assert explained[name].startswith(f"{defaults[name]:g}")


@pytest.mark.parametrize("options", OPTIONS)
def test_editors_show_the_same(options: Any) -> None:
    """They show the text behind a TypedDict's field where the option is written."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    assert isinstance(tree, ast.ClassDef)
    fields = tree.body[1:]
    found = {}
    for field, text in zip(fields[::2], fields[1::2], strict=True):
        assert isinstance(field, ast.AnnAssign)
        assert isinstance(field.target, ast.Name)
        assert isinstance(text, ast.Expr)
        assert isinstance(text.value, ast.Constant)
        found[field.target.id] = " ".join(str(text.value.value).split())
    assert found == said(options)


@pytest.mark.parametrize("options", CALLS)
def test_help_of_a_call_lists_its_options(options: Any) -> None:
    inherited = said(GenerateOptions) if options is ChatOptions else {}
    for call in CALLS[options]:
        shown = " ".join(pydoc.plain(pydoc.render_doc(call)).split())
        for name, text in {**inherited, **said(options)}.items():
            assert f"{name}: {text}" in shown, (call, name)


def test_a_plan_takes_what_a_model_does() -> None:
    fields = {field.name for field in dataclasses.fields(EngineOptions)}
    assert EngineArguments.__annotations__.keys() == fields - {"memory"}


@pytest.mark.parametrize(
    "call", [LLM, pestle.convert, pestle.quantize, pestle.verify, pestle.evaluate, pestle.plan]
)
def test_every_argument_is_explained(call: Any) -> None:
    names = [name for name in inspect.signature(call).parameters if name != "options"]
    section = inspect.cleandoc(call.__doc__ or "").partition("Args:\n")[2]
    assert [name for name in names if not re.search(rf"^ +{name}: ", section, re.M)] == []
