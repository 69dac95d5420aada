"""Participation against skew, on a federation small enough for a test."""

from pathlib import Path

import pytest

from common.config import Settings
from experiments.participation import course_of, main
from tests.launch.small_data import COLUMNS, write_small_csv


def small_settings(folder: Path, **changed: float) -> Settings:
    csv = write_small_csv(folder / "small.csv")
    return Settings(
        dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=4, rounds=3, factors=4, probe_pairs=20, **changed
    )


def test_a_course_has_a_figure_a_round_and_every_clients_share(tmp_path: Path) -> None:
    half = course_of(small_settings(tmp_path, participation=0.5))
    assert len(half.test) == len(half.validation) == 3
    assert sum(half.share_of_rounds) == pytest.approx(2.0)  # two of four clients in each round
    assert half.chosen in half.test
    everybody = course_of(small_settings(tmp_path))
    assert everybody.share_of_rounds == (1.0,) * 4
    assert everybody.test != half.test


def test_the_table_has_a_row_for_each_partition_and_share(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--clients", "3", "--rounds", "2", "--shares", "0.5", "1", "--partitions", "even", "--seeds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ml-latest-small-2016, ials, 3 clients, 2 rounds, seeds 1, ")
    assert [line.split("|")[2].strip() for line in lines if line.startswith("| even")] == ["50%", "100%"]
