"""The ablation of personalisation, on a federation small enough for a test."""

from pathlib import Path

import pytest

from common.config import PERSONALISATIONS, Settings
from experiments.personalisation import kinds, main
from tests.launch.small_data import COLUMNS, write_small_csv


def test_each_kind_is_measured_on_one_federation(tmp_path: Path) -> None:
    settings = Settings(
        dataset=f"csv:{write_small_csv(tmp_path / 'small.csv')}",
        csv_columns=COLUMNS,
        clients=3,
        rounds=2,
        factors=4,
        probe_pairs=20,
    )
    found = dict(kinds(settings))
    assert tuple(found) == PERSONALISATIONS
    assert found["none"].alphas == (1.0,) * 3
    assert found["fine-tune"].alphas == (0.0,) * 3
    assert found["fine-tune"].figures != found["none"].figures
    if found["gate"].alphas == (1.0,) * 3:
        assert found["gate"].figures == found["none"].figures
    assert all(set(one.figures) == set(found["none"].figures) for one in found.values())


def test_the_table_has_a_row_for_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--clients", "2", "--rounds", "1", "--partitions", "taste", "--seeds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ml-latest-small-2016, ials, 1 rounds, gate learnt, seeds 1, ")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| taste")]
    assert [row[2] for row in rows] == list(PERSONALISATIONS)
    assert rows[0][5:] == ["+0.0000", rows[0][6], "1.00"]
