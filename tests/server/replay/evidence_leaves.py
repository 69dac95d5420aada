"""Every single value of a round's evidence, found by walking its JSON, and another plausible value for each."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from common.config import Settings, flag_of

Place = tuple[str | int, ...]

_CHOICES = {flag_of(entry.name): entry.metadata.get("choices") for entry in fields(Settings)}
_ENTRY_OWNERS = ("account", "evaluator", "subject")
_ENTRIES: dict[str, Any] = {
    "capped_items": 7,
    "held_items": {"item": 7, "exposure_wad": "5" * 18, "budget_wad": "3" * 18, "rolled_back": False},
}
"""One for each empty list whose entries are no accounts with a reason."""

MEASURED = 10**13
"""By how much a figure is altered that is compared with a tolerance."""


def leaves(record: Any, path: Place = ()) -> Iterator[Place]:
    """Yield the place of every value that is no object and no list; an empty list is one too."""
    inner: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(record, dict):
        inner = iter(record.items())
    elif isinstance(record, list):
        inner = iter(enumerate(record))
    entries = list(inner)
    if not entries:
        yield path
    for key, value in entries:
        yield from leaves(value, (*path, key))


def value_at(record: Any, path: Place) -> Any:
    for key in path:
        record = record[key]
    return record


def alter(record: Any, path: Place, cohort: Sequence[str]) -> None:
    """Put another value there, as near to the old one as one character can be and still something plausible."""
    *places, last = path
    holder = value_at(record, tuple(places))
    holder[last] = _other(holder[last], str(last), cohort)


def field_of(path: Place) -> str:
    """The name that a mismatch gives such a place: without the numbers of entries."""
    return "settings" if path[0] == "settings" else ".".join(key for key in path if isinstance(key, str))


def owner_of(record: Any, path: Place) -> str | None:
    """Whose entry the value stands in, as it was before the alteration."""
    entry = value_at(record, path[:2]) if len(path) > 2 else None
    if not isinstance(entry, dict) or path[0] in ("settings", "domain"):
        return None
    owners = ("subject",) if path[0] == "committees" else _ENTRY_OWNERS
    return next((entry[key] for key in owners if key in entry), None)


def _other(value: Any, name: str, cohort: Sequence[str]) -> Any:  # noqa: PLR0911 - one for each kind of value
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value * 1.5
    if value is None:
        return "the update is zero" if name == "gate_reason" else "0"
    if isinstance(value, list) and name == "false_scores":
        gains = {f"{which}{gain}_gain_wad": "0" for which in ("said_", "") for gain in ("ndcg", "hit")}
        return [{"evaluator": cohort[0], "subject": cohort[0], "shard": "00" * 32} | gains]
    if isinstance(value, list):
        other = {"examples": "1"} if name == "example_counts" else {"reason": "no answer"}
        return [_ENTRIES.get(name, {"account": cohort[0]} | other)]
    if name in ("exposure_wad", "budget_wad"):
        return str(int(value) + MEASURED)
    if value in cohort:
        return cohort[(list(cohort).index(value) + 1) % len(cohort)]
    if _CHOICES.get(name):
        return next(choice for choice in _CHOICES[name] or () if choice != value)
    if value and all(character in "0123456789abcdef" for character in value):
        return value[:-1] + ("1" if value[-1] != "1" else "2")
    if value.startswith("0x"):
        return "0x" + "11" * 20  # digits only, so its checksum is right
    return f"{value[:-1]}z" if value else "z"
