"""TOML is read as Python reads it, within bounds."""

import tomllib
from pathlib import Path

import pytest

from common.bounded_toml import MOST_BYTES, read_toml

READ = (
    'a = """[[[[ " "" \\""" [[[["""\nb = 1\n',
    "a = '''[[[[ ' '' ['''\n",
    "a = '[[[[\"' # [[[[[[ it's\n",
    'a = "[[[[\\"[[["\n[t.u]\nx = [[1], [{y = 2}]]\n[[m]]\n[[m]]\n',
)


@pytest.mark.parametrize("text", READ)
def test_brackets_in_texts_and_comments_do_not_count(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text.replace("[[[[", "[" * 100))
    assert read_toml(path) == tomllib.loads(path.read_text())


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 100_000, "nested deeper"),
        ("a = " + "{b = " * 100_000, "nested deeper"),
        (".".join(["a"] * 2000) + " = 1", "nested deeper"),
        ('a = """' + '""' * 1_000_000, "no end"),
        ("a = 1\n" * 2, "Cannot overwrite"),
        ("#" * (MOST_BYTES + 1), "larger than"),
        ("a = " + "9" * 10_000, "digits"),
    ],
)
def test_what_would_take_minutes_or_all_memory_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_toml(path)
