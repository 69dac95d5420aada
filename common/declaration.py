"""What a client declares about its part in the rounds: when it is there, and how long a phase takes its machine.

The client holds to it (it answers a round that does not suit it by sitting it out), and where rounds ask only some of
the clients, the coordinator passes over those who would sit the round out.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.bounded_toml import read_toml
from common.errors import WrongUse

NOT_AT_THIS_HOUR = "it is not available at this hour"
TOO_SLOW = "a phase takes it longer than the run waits"
ABSENCES = (NOT_AT_THIS_HOUR, TOO_SLOW)
"""Every reason that a client may give; nothing that it words itself reaches the record."""
MINUTES_A_DAY = 24 * 60
MOST_HOURS = 32
MOST_SECONDS = 86_400.0
_KEYS = ("hours", "seconds")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Declaration:
    """When a client takes part.

    Attributes:
        hours: Spans of the day in which it does, in minutes after midnight UTC, the second not included; a span whose
            end is not after its beginning goes over midnight. Empty: at any hour.
        seconds: What the longer of a round's two phases takes this machine; 0: not said.
    """

    hours: tuple[tuple[int, int], ...] = ()
    seconds: float = 0.0

    def __post_init__(self) -> None:
        minutes = [minute for span in self.hours for minute in span]
        if len(self.hours) > MOST_HOURS or not all(0 <= minute < MINUTES_A_DAY for minute in minutes):
            raise ValueError(f"hours are at most {MOST_HOURS} spans of minutes of a day")
        if not 0 <= self.seconds <= MOST_SECONDS:  # false for NaN too
            raise ValueError(f"seconds lie between 0 and {MOST_SECONDS:g}")

    def absence(self, now: datetime, phase_timeout: float) -> str:
        """Return why the client sits a round out, one of `ABSENCES`; "" where it takes part.

        Args:
            now: In UTC.
            phase_timeout: Seconds that the run waits for a phase's replies.
        """
        if self.seconds > phase_timeout:
            return TOO_SLOW
        minute = 60 * now.hour + now.minute
        if self.hours and not any(_holds(begin, end, minute) for begin, end in self.hours):
            return NOT_AT_THIS_HOUR
        return ""


def load_declaration(path: Path) -> Declaration:
    """Read a participant's `availability.toml`; without the file a client is always there.

    Raises:
        WrongUse: the file is not such a file.
    """
    try:
        record = read_toml(path)
    except FileNotFoundError:
        return Declaration()
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path} cannot be read ({error}); write it as docs/participation.md shows.") from error
    if unknown := sorted(set(record) - set(_KEYS)):
        raise WrongUse(f"{path} has no setting {unknown[0]!r}; it may have {' and '.join(_KEYS)}.")
    hours, seconds = record.get("hours", []), record.get("seconds", 0.0)
    if not isinstance(hours, list) or not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise WrongUse(f'{path} must look like `hours = ["20:00-06:00"]` and `seconds = 60`.')
    try:
        return Declaration(tuple(_span(text) for text in hours), float(seconds))
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"{path} says what cannot be ({error}); write it as docs/participation.md shows.") from error


def _span(text: object) -> tuple[int, int]:
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a span of hours such as '20:00-06:00'")
    begin_hour, begin_minute, end_hour, end_minute = map(int, found.groups())
    return 60 * begin_hour + begin_minute, 60 * end_hour + end_minute


def _holds(begin: int, end: int, minute: int) -> bool:
    return begin <= minute < end if begin < end else minute >= begin or minute < end
