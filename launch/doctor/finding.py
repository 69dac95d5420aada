"""What a check found: a level, and one sentence that says what is there and, unless all is well, what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """One finding about one subject."""

    subject: str
    level: Level
    text: str


Findings = Iterator[Finding]


def ok(subject: str, text: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(subject, "ok", text)


def warning(subject: str, text: str) -> Finding:
    """Return a finding about something that still works."""
    return Finding(subject, "warning", text)


def failed(subject: str, text: str) -> Finding:
    """Return a finding about something that will not work."""
    return Finding(subject, "failed", text)
