"""TOML from files that nobody vouches for: a plan, a list, the settings of a run."""

import re
import tomllib
from pathlib import Path
from typing import Any

from common.bounded_json import MOST_NESTED

MOST_BYTES = 4 << 20
"""A federation's list of members takes some 300 bytes each."""

# Possessive, as in bounded_json.py. Up to the first mistake in it these are the tokens of TOML; what follows a mistake
# is never read.
_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"""|'
    r"'''(?:[^']++|'(?!''))*+'''|"
    r'"(?:[^"\\\n]++|\\.)*+"|'
    r"'[^'\n]*+'|#[^\n]*+|[\[{]|[\]}]|\"|'",
    re.DOTALL,
)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Python's own reader has no bound: a hundred thousand brackets keep it busy for minutes.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no TOML in UTF-8, is larger than `MOST_BYTES`, or is nested deeper than `MOST_NESTED`.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    text = path.read_bytes().decode("utf-8")
    _check_brackets(text)
    table = tomllib.loads(text)
    _check_depth(table)
    return table


def _check_brackets(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MOST_NESTED:
                raise ValueError(f"it is nested deeper than {MOST_NESTED} levels")
        elif token[0] in "]}":
            depth -= 1
        elif token[0] in "\"'":
            raise ValueError("a text has no end")


def _check_depth(table: dict[str, Any]) -> None:
    """Dotted keys nest without a bracket, and whoever prints what they made goes as deep as they do."""
    layer: list[Any] = [table]
    for _ in range(MOST_NESTED):
        layer = [
            inner
            for one in layer
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return
    raise ValueError(f"it is nested deeper than {MOST_NESTED} levels")
