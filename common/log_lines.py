"""Log lines that say which run, round and client they are about: text for people, or one JSON object a line.

Everything in a Flower process goes through the logger `flwr`, whose one handler formats by itself; `configure_logs`
takes its place in formatting. What a client has sent stands in a line at most as an escaped text.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from common.errors import WrongUse

FORMAT_VARIABLE = "TFEDRS_LOG_FORMAT"
CONTEXT_FIELDS = ("run", "round", "client")
_context: ContextVar[Mapping[str, str | int]] = ContextVar("log_context", default={})  # noqa: B039 - never changed


def wants_json() -> bool:
    """Tell whether TFEDRS_LOG_FORMAT asks for JSON lines; without it lines are text.

    Raises:
        WrongUse: it asks for something else.
    """
    named = os.environ.get(FORMAT_VARIABLE) or "text"
    if named not in ("text", "json"):
        raise WrongUse(f"{FORMAT_VARIABLE} must be text or json, not {named!r}.")
    return named == "json"


@contextmanager
def log_context(**fields: str | int) -> Iterator[None]:
    """Inside, lines carry these of the fields `run`, `round` and `client`, beside those that they carry already."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure_logs() -> None:
    """Let this process's Flower logger write our lines; called again, it changes nothing.

    Raises:
        WrongUse: TFEDRS_LOG_FORMAT asks for something unknown.
    """
    from flwr.common.logger import console_handler  # noqa: PLC0415 - who only formats lines needs no flwr

    formatter: logging.Formatter = JsonFormatter() if wants_json() else TextFormatter()
    console_handler.addFilter(_says_something)
    # the handler's own method looks at no formatter
    console_handler.format = formatter.format  # type: ignore[method-assign]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and run, round and client where they are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback stands in it as `exception`."""
        fields = _fields_of(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json_line(record.levelname, record.name, record.getMessage().strip(), fields, record.created)


class TextFormatter(logging.Formatter):
    """Level, message, and in brackets what the line is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it."""
        fields = _fields_of(record)
        about = f" [{', '.join(f'{name} {value}' for name, value in fields.items())}]" if fields else ""
        text = f"{record.levelname + ':':9s}{record.getMessage()}{about}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def run_field(run_id: bytes) -> str:
    """Return how lines name a run: the first 16 of its id's hexadecimal digits."""
    return run_id.hex()[:16]


def json_line(
    level: str, logger: str, message: str, fields: Mapping[str, Any] | None = None, created: float | None = None
) -> str:
    """Return one line of JSON.

    Args:
        level: INFO, WARNING, ...
        logger: Who speaks.
        message: What it says.
        fields: run, round, client, exception.
        created: Unix time in seconds; None is now.
    """
    when = datetime.now(UTC) if created is None else datetime.fromtimestamp(created, UTC)
    time = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": time, "level": level, "logger": logger, "message": message, **(fields or {})})


def _says_something(record: logging.LogRecord) -> bool:
    return bool(record.getMessage().strip())  # Flower parts its paragraphs by empty lines


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line is about: what its own call says (`extra=`), else what the context says."""
    known = {**_context.get(), **{name: vars(record)[name] for name in CONTEXT_FIELDS if name in vars(record)}}
    return {name: known[name] for name in CONTEXT_FIELDS if name in known}
