"""When a client takes part: the hours of the day, over midnight too, and how long a phase takes it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.declaration import MINUTES_A_DAY, NOT_AT_THIS_HOUR, TOO_SLOW, Declaration, load_declaration
from common.errors import WrongUse

MINUTE = st.integers(0, MINUTES_A_DAY - 1)


def at(minute: int) -> datetime:
    return datetime(2026, 11, 21, minute // 60, minute % 60, tzinfo=UTC)


def test_without_a_file_a_client_is_always_there(tmp_path: Path) -> None:
    declaration = load_declaration(tmp_path / "availability.toml")
    assert all(declaration.absence(at(minute), 0.1) == "" for minute in range(MINUTES_A_DAY))


def test_a_file_says_hours_and_seconds(tmp_path: Path) -> None:
    path = tmp_path / "availability.toml"
    path.write_text('hours = ["20:00-06:00", "12:30-13:15"]\nseconds = 60\n')
    declaration = load_declaration(path)
    assert declaration == Declaration(((1200, 360), (750, 795)), 60.0)
    there = [minute for minute in range(MINUTES_A_DAY) if declaration.absence(at(minute), 60.0) == ""]
    assert there == [*range(360), *range(750, 795), *range(1200, 1440)]
    assert declaration.absence(at(720), 60.0) == NOT_AT_THIS_HOUR
    assert declaration.absence(at(0), 59.9) == TOO_SLOW


@given(begin=MINUTE, end=MINUTE, minute=MINUTE)
def test_a_span_and_the_one_turned_round_share_the_day(begin: int, end: int, minute: int) -> None:
    there = Declaration(((begin, end),)).absence(at(minute), 1.0) == ""
    turned = Declaration(((end, begin),)).absence(at(minute), 1.0) == ""
    assert there != turned or begin == end
    if begin == end:
        assert there  # a whole day


@pytest.mark.parametrize(
    "text",
    [
        "hours = 3",
        "hours = [3]",
        'hours = ["24:00-06:00"]',
        'hours = ["20:00 - 06:00"]',
        'hours = ["20:00-06:60"]',
        f"hours = {['20:00-06:00'] * 33}",
        "seconds = -1",
        "seconds = nan",
        f"seconds = {10**400}",
        "seconds = true",
        'seconds = "long"',
        "minutes = 3",
        "hours",
    ],
)
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "availability.toml"
    path.write_text(text)
    with pytest.raises(WrongUse, match=r"availability\.toml .*\.$"):
        load_declaration(path)
