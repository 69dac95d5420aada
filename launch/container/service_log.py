"""How a service's own log tells what Flower says: without colours, without the lines that say nothing."""

import re
from collections.abc import Iterable

from common.log_lines import json_line, wants_json

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEVEL = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL) *:\s*")
_ANSWERED = re.compile(r'\[uvicorn\.access\].*" 2\d\d$|ControlServicer\.(ListRuns|ListNodes)$')


def readable(line: str) -> str:
    """Return a line of Flower's without colours and padding, as JSON where that is wanted; "" for one to leave out.

    Flower sets its messages apart by empty ones, and its SuperLink notes each of thousands of answered requests.
    """
    text = _COLOUR.sub("", line).rstrip()
    found = _LEVEL.match(text)
    level, message = (found[1], text[found.end() :]) if found else ("", text)
    if _ANSWERED.search(text) or not message:
        return ""
    if wants_json():  # a line that an app of ours has written is JSON itself
        return text if text.startswith("{") else json_line(level or "INFO", "flwr", message)
    return f"{level} {message}" if level else message


def copy_log(lines: Iterable[str]) -> None:
    """Write what a program says to the container's log as long as it says something."""
    for line in lines:
        if text := readable(line):
            print(text, flush=True)  # noqa: T201 - a service's log is its standard output
