"""How a service's own log tells what Flower says: without colours, without the lines that say nothing."""

import re
from collections.abc import Iterable

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEVEL = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL) *:\s*")
_ANSWERED = re.compile(r'\[uvicorn\.access\].*" 2\d\d$|ControlServicer\.(ListRuns|ListNodes)$')


def readable(line: str) -> str:
    """Return a line of Flower's without colours and padding; "" for one that need not be read.

    Flower sets its messages apart by empty ones, and its SuperLink notes each of thousands of answered requests.
    """
    text = _COLOUR.sub("", line).rstrip()
    level = _LEVEL.match(text)
    if _ANSWERED.search(text) or (level and level.end() == len(text)):
        return ""
    return f"{level[1]} {text[level.end() :]}" if level else text


def copy_log(lines: Iterable[str]) -> None:
    """Write what a program says to the container's log as long as it says something."""
    for line in lines:
        if text := readable(line):
            print(text, flush=True)  # noqa: T201 - a service's log is its standard output
