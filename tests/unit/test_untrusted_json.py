"""JSON that others wrote: what is not strictly JSON, or without bounds, is refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pestle.errors import Error, FormatError
from pestle.untrusted_json import DEEPEST, parse, parse_object, read_object, read_text


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2.5, -3e-7, null, true, "\\u00e9"], "b": {}}',
        '{"model_max_length": 1000000000000000019884624838656}',
        '{"pair": "\\ud83d\\ude00"}',
        "0",
        '"x"',
        "[" * DEEPEST + "]" * DEEPEST,
    ],
)
def test_what_is_json(text: str) -> None:
    assert parse(text, "x") == parse(text.encode(), "x") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' occurs twice"),
        ('{"x": {"\\u001b": 1, "\\u001b": 3}}', r"the key '\\x1b' occurs twice"),
        ("[NaN]", "NaN is not a number in JSON"),
        ("[-Infinity]", "-Infinity is not a number in JSON"),
        ("[1e999]", "the number 1e999 is too large"),
        ("-" + "9" * 309, "a number has 310 digits, at most 308 are read"),
        ("9" * 100_000, "a number has 100,000 digits"),
        ('["\\ud800"]', r"'\\ud800' holds half a character"),
        ('{"\\udfff": 1}', "holds half a character"),
        ('"\\ude00\\ud83d"', "holds half a character"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested deeper than 128 levels"),
        ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "nested deeper than 128 levels"),
        ("[" * 200_000, "nested deeper than 128 levels"),
        ('{"a":' * 200_000, "nested deeper than 128 levels"),
        (b'["\xff"]', "can't decode byte 0xff"),
        ('["a"]'.encode("utf-16"), "can't decode byte 0xff"),
    ],
)
def test_what_is_not_json(text: str | bytes, message: str) -> None:
    with pytest.raises(FormatError, match=rf"^file is not valid JSON: .*{message}") as raised:
        parse(text, "file")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("text", "found"),
    [("[]", "an array"), ("null", "null"), ("true", "true"), ("1", "a number"), ('""', "a string")],
)
def test_something_else_than_an_object(text: str, found: str) -> None:
    with pytest.raises(FormatError, match=f"^file is {found}, expected a JSON object$"):
        parse_object(text, "file")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_object(path) == {"a": 1}
    with pytest.raises(FormatError, match=r"x\.json: it has 11 bytes, expected 10 at most"):
        read_text(path, 10)
    path.write_bytes(b"{\xff")
    with pytest.raises(FormatError, match=r"x\.json: byte 1 is not UTF-8"):
        read_object(path)
    with pytest.raises(Error, match=r"cannot read .*gone\.json: No such file"):
        read_object(tmp_path / "gone.json")
    with pytest.raises(FormatError, match=r"it is a .*, expected a file"):
        read_object(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(FormatError, match=r"it is a .*, expected a file"):
        read_object(tmp_path / "x.json")
