"""JSON from files and messages that nobody vouches for."""

import json
import re
from typing import Any, NoReturn

MOST_NESTED = 32
"""Lists and objects inside one another. Some libraries here raise Python's limit so far that its own JSON reader, a
hundred thousand levels down, runs out of stack and takes the process with it."""

MOST_MEMORY_PER_BYTE = 64
"""Bound on what reading allocates for each byte of input; one of nothing but small objects needs about half of it."""

# possessive, so that a text of any length or a quote without an end is passed over once and without memory
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]|"', re.DOTALL)


def parse_json(data: bytes) -> Any:
    """Read one JSON value, in UTF-8.

    Raises:
        ValueError: it is no JSON, is nested deeper than `MOST_NESTED`, or holds NaN, infinity or a number of thousands
            of digits. Nothing else is ever raised.
    """
    _check_nesting(data)
    return json.loads(data.decode("utf-8"), parse_constant=_refuse)


def _check_nesting(data: bytes) -> None:
    depth = 0
    for token in _TOKEN.finditer(data):
        kind = token[0]
        if kind in (b"[", b"{"):
            depth += 1
            if depth > MOST_NESTED:
                raise ValueError(f"it is nested deeper than {MOST_NESTED} levels")
        elif kind in (b"]", b"}"):
            depth -= 1
        elif kind == b'"':
            raise ValueError("a text has no end")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
