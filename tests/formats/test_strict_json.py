"""The one door for JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.formats import Unreadable
from ovro_alert.formats.strict_json import MAX_DEPTH, loads


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\u0000"}',
        b'{"a": "\x00"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1,}',
        b'{"a": 1} {"b": 2}',
        b"[1]",
        b"1",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        loads(raw)
    assert str(caught.value).startswith(("is not JSON: ", "must be a JSON object", "holds a NUL"))


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_depth_is_bounded() -> None:
    assert loads(nested(MAX_DEPTH))
    with pytest.raises(Unreadable, match="nested deeper than 64 levels"):
        loads(nested(MAX_DEPTH + 1))


def test_of_a_name_given_twice_the_last_holds() -> None:
    assert loads(b'{"a": 1, "a": 2}') == {"a": 2}


words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner) | st.dictionaries(words, inner),
    max_leaves=20,
)


@given(st.dictionaries(words, plain))
def test_whatever_json_can_say_comes_through(document: dict[str, object]) -> None:
    assert loads(json.dumps(document).encode()) == document
