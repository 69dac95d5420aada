"""How deep JSON is nested, before a parser finds out: a library raises Python's recursion limit to 100,000, far beyond
what the stack holds, and a file of brackets would end the process instead of being refused.
"""

import re

MOST_LEVELS = 64
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def require_shallow(content: bytes) -> None:
    """Return if the bytes, taken as JSON in UTF-8, are nested at most `MOST_LEVELS` deep.

    Raises:
        ValueError: they are nested deeper.
    """
    level = 0
    for bracket in _BRACKET.findall(_TEXT.sub(b"", content)):
        level += 1 if bracket in b"[{" else -1
        if level > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
