"""Sketches keep the angles between updates, and nobody knows beforehand how."""

import numpy as np
import pytest

from common.models.row_claims import RowClaims
from server.row_sketch import BUCKETS, row_sketches

ITEMS, LENGTH = 3000, 32
SEED = bytes(range(32))


def claims(rows: np.ndarray, sums: np.ndarray) -> tuple[RowClaims, ...]:
    return (RowClaims(10, rows, np.ones(len(rows)), np.zeros(len(rows)), sums.astype(np.float32)),)


def related(rng: np.random.Generator, clients: int) -> dict[str, tuple[RowClaims, ...]]:
    """Clients that touch parts of the catalogue and have more or less in common."""
    common = rng.normal(size=(ITEMS, LENGTH))
    said = {}
    for client in range(clients):
        rows = np.sort(rng.choice(ITEMS, rng.integers(500, 2500), replace=False))
        own = rng.normal(size=(len(rows), LENGTH))
        said[f"0x{client}"] = claims(rows, common[rows] * rng.random() + own * rng.random())
    return said


def dense(said: tuple[RowClaims, ...]) -> np.ndarray:
    whole = np.zeros((ITEMS, LENGTH))
    whole[said[0].row_ids] = said[0].sums
    return whole.ravel()


@pytest.mark.parametrize("number", range(3))
def test_cosines_are_near_the_true_ones(number: int) -> None:
    said = related(np.random.default_rng(number), 12)
    sketches = row_sketches(said, ITEMS, bytes([number]) * 32)
    errors = []
    for one in said:
        for other in said:
            if one < other:
                whole, another = dense(said[one]), dense(said[other])
                true = whole @ another / np.sqrt(whole @ whole) / np.sqrt(another @ another)
                errors.append(sketches[one] @ sketches[other] - true)
    assert np.std(errors) < 2 / np.sqrt(BUCKETS * LENGTH)
    assert np.abs(errors).max() < 0.12


def test_the_same_seed_is_the_same_sketch_and_another_one_is_another() -> None:
    said = related(np.random.default_rng(4), 2)
    first, again, other = (row_sketches(said, ITEMS, seed)["0x0"] for seed in (SEED, SEED, bytes(32)))
    assert first.tobytes() == again.tobytes()
    assert abs(first @ other) < 0.2


def test_a_sketch_has_unit_length_whatever_the_update_measures() -> None:
    said = related(np.random.default_rng(5), 1)["0x0"]
    larger = (said[0]._replace(sums=1000 * said[0].sums),)
    sketches = row_sketches({"0xA": said, "0xB": larger}, ITEMS, SEED)
    assert np.linalg.norm(sketches["0xA"]) == pytest.approx(1)
    assert sketches["0xA"] == pytest.approx(sketches["0xB"], abs=1e-6)


def test_branches_count_alike_and_zeros_are_a_sketch_of_zeros() -> None:
    one, other = related(np.random.default_rng(6), 2).values()
    beside = row_sketches({"0xA": (*one, other[0]._replace(sums=1e6 * other[0].sums))}, ITEMS, SEED)["0xA"]
    half = BUCKETS * LENGTH
    assert np.linalg.norm(beside[:half]) == pytest.approx(np.linalg.norm(beside[half:]))
    silent = row_sketches({"0xA": (one[0]._replace(sums=0 * one[0].sums),)}, ITEMS, SEED)["0xA"]
    assert not silent.any()
    assert silent.shape == (half,)


def test_an_update_that_says_nothing_of_rows_has_no_sketch() -> None:
    assert row_sketches({"0xA": ()}, ITEMS, SEED) == {}
