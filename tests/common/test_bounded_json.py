import json
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bounded_json import MOST_MEMORY_PER_BYTE, MOST_NESTED, parse_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_it_reads_what_python_reads(value: object) -> None:
    for written in (json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value, indent=1)):
        try:
            data = written.encode()
        except UnicodeEncodeError:
            continue
        assert parse_json(data) == value


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u0129eE+-. tfn', max_size=200).map(str.encode))
def test_other_bytes_are_a_value_error_and_nothing_else(data: bytes) -> None:
    try:
        expected = json.loads(data.decode("utf-8"))
    except ValueError:
        with pytest.raises(ValueError):
            parse_json(data)
    else:
        assert parse_json(data) == expected


def nested(depth: int, opened: bytes = b"[", closed: bytes = b"]") -> bytes:
    return opened * depth + b"1" + closed * depth


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"[":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_ends_at_the_bound(opened: bytes, closed: bytes) -> None:
    levels = opened.replace(b'"["', b"").count(b"[") + opened.count(b"{")
    assert parse_json(nested(MOST_NESTED // levels, opened, closed)) is not None
    with pytest.raises(ValueError, match="nested deeper than 32 levels"):
        parse_json(nested(MOST_NESTED // levels + 1, opened, closed))


def test_brackets_in_texts_are_no_nesting() -> None:
    text = "[" * 1000 + '"' + "{" * 1000 + "\\"
    assert parse_json(json.dumps([text, {text: text}]).encode()) == [text, {text: text}]


@pytest.mark.parametrize(
    "data",
    [b"[" * 10_000_000, b'{"a":' * 2_000_000, b'"' + b'\\"' * 1_000_000, b'"\\' * 1_000_000, b'["' * 1_000_000],
)
def test_nonsense_is_refused_before_pythons_reader_runs_out_of_stack(data: bytes) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # as a library of the chain's sets it
    try:
        with pytest.raises(ValueError, match=r"nested deeper|no end|Expecting|Invalid|Unterminated|delimiter"):
            parse_json(data)
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize(
    "data", [b"NaN", b"[-Infinity]", b'{"a": Infinity}', b"9" * 5000, b"\xff\xfe[\x00]\x00", b"\xef\xbb\xbf1"]
)
def test_what_python_takes_beyond_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(data)


@pytest.mark.parametrize(
    "entry",
    [b"{}", b"[]", b"[0]", b'{"":0}', b'{"":{}}', b'"ab"', '"é€"'.encode(), b"1.5", b"12345678901", b"[[[[[]]]]]"],
)
def test_reading_allocates_no_more_than_the_bound(entry: bytes) -> None:
    for data in (b"[" + b",".join([entry] * 30_000) + b"]", b"[" + b",".join([entry] * 30_000) + '"😀"]'.encode()):
        tracemalloc.start()
        try:
            parse_json(data)
        except ValueError:
            pass
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < MOST_MEMORY_PER_BYTE * len(data)
