from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from client.compression import compress
from common.compression import SCALE, SENT, TRIANGLE, expand
from common.errors import Rejected
from common.models.model import Arrays, FloatArray
from common.update import Packed, decode_update, encode_update

ITEMS, FACTORS = 30, 4
LOSSY = ("float16", "int8", "top-rows")
ROWS = npst.arrays(np.float32, (5, FACTORS), elements=st.floats(-(2.0**60), 2.0**60, width=32))


def packed(forms: Arrays) -> Packed:
    """What the other side makes of the bytes."""
    return decode_update(encode_update(Packed("ials", ITEMS, forms)))


def there_and_back(
    update: Arrays, compression: str, seed: int = 0, top_rows: float = 1.0, carried: dict[str, FloatArray] | None = None
) -> Arrays:
    forms, _ = compress(update, compression, top_rows, np.random.default_rng(seed), carried or {})
    return expand(packed(forms), compression)


def an_update(rng: np.random.Generator, rows: int = 5) -> Arrays:
    vectors = rng.normal(size=(3, FACTORS))
    return {
        "row_ids": np.sort(rng.choice(ITEMS, rows, replace=False)).astype(np.uint32),
        "residual": rng.normal(size=(rows, FACTORS)).astype(np.float32),
        "counts": rng.integers(1, 300, rows).astype(np.uint32),
        "gram": vectors.T @ vectors,
        "users": np.array([3], dtype=np.uint32),
        "bias": rng.normal(size=ITEMS).astype(np.float32),
    }


@pytest.mark.parametrize("compression", LOSSY)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_not_rows_comes_back_as_it_was(compression: str, seed: int) -> None:
    update = an_update(np.random.default_rng(seed))
    back = there_and_back(update, compression)
    assert set(back) == set(update)
    for name in ("row_ids", "counts", "users", "bias"):
        assert back[name].dtype == update[name].dtype
        np.testing.assert_array_equal(back[name], update[name])
    np.testing.assert_allclose(back["gram"], update["gram"], atol=1e-6 * np.trace(update["gram"]))
    assert np.linalg.eigvalsh(back["gram"]).min() > -1e-12 * np.trace(update["gram"])


@given(rows=ROWS, compression=st.sampled_from(("float16", "int8")), seed=st.integers(0, 9))
def test_a_row_is_near_and_never_longer(rows: FloatArray, compression: str, seed: int) -> None:
    back = there_and_back({"rows": rows}, compression, seed)["rows"]
    assert back.dtype == np.float32
    wide, wide_back = rows.astype(np.float64), back.astype(np.float64)
    assert np.all(np.linalg.norm(wide_back, axis=1) <= np.linalg.norm(wide, axis=1) * (1 + 1e-7) + 1e-44)
    largest = np.abs(wide).max(axis=1, keepdims=True)
    step = largest / (127 if compression == "int8" else 1000)
    # a step for the rounding, and what the row was shortened by, at most the length of the errors; below that, zeros
    assert np.all(np.abs(wide - wide_back) <= step * (1 + FACTORS**0.5) + 1e-36)


def test_int8_is_right_on_average() -> None:
    rows = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)
    mean = np.mean([there_and_back({"rows": rows}, "int8", seed)["rows"] for seed in range(2000)], axis=0)
    step = float(np.abs(rows).max()) / 127
    # the mean of 2000 errors below a step has a standard deviation of at most step / 2 / sqrt(2000)
    assert np.abs(mean - rows).max() < 5 * step / 2 / 2000**0.5 + 2e-4 * float(np.abs(rows).max())


def test_the_same_generator_gives_the_same_bytes() -> None:
    update = an_update(np.random.default_rng(3))
    first, again = (
        encode_update(Packed("ials", ITEMS, compress(update, "int8", 1.0, np.random.default_rng(7), {})[0]))
        for _ in range(2)
    )
    assert first == again


def test_int8_takes_about_a_quarter_of_the_bytes() -> None:
    rng = np.random.default_rng(0)
    rows, factors = 3000, 64
    vectors = rng.normal(size=(100, factors))
    update: Arrays = {
        "row_ids": np.sort(rng.choice(9000, rows, replace=False)).astype(np.uint32),
        "residual": rng.normal(size=(rows, factors)).astype(np.float32),
        "counts": rng.integers(1, 90, rows).astype(np.uint32),
        "gram": vectors.T @ vectors,
        "users": np.array([100], dtype=np.uint32),
    }
    sizes = {
        compression: len(encode_update(Packed("ials", 9000, compress(update, compression, 1.0, rng, {})[0])))
        for compression in ("none", "float16", "int8")
    }
    assert sizes["int8"] < 0.27 * sizes["none"]
    assert sizes["float16"] < 0.51 * sizes["none"]


def test_a_singular_or_empty_gram_matrix_survives() -> None:
    vector = np.array([[1.0, -2.0, 0.0, 1e-9]])
    for gram in (vector.T @ vector, np.zeros((FACTORS, FACTORS))):
        back = there_and_back({"gram": gram}, "int8")["gram"]
        np.testing.assert_allclose(back, gram, atol=1e-6)


# The longest rows, and what is left


def test_unsent_rows_come_later_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(0)
    carried: dict[str, FloatArray] = {}
    given, received = np.zeros((8, FACTORS)), np.zeros((8, FACTORS))
    for server_round in range(12):
        rows = rng.normal(size=(8, FACTORS)).astype(np.float32)
        forms, carried = compress({"rows": rows}, "top-rows", 0.25, np.random.default_rng(server_round), carried)
        assert forms["rows"].shape == (2, FACTORS)
        given += rows
        received += expand(Packed("ials", 8, forms), "top-rows")["rows"]
        np.testing.assert_allclose(received + carried["rows"], given, atol=1e-5)


def test_the_longest_rows_are_those_that_travel() -> None:
    rows = np.diag([1.0, 5.0, 3.0, 4.0]).astype(np.float32)
    forms, left = compress({"rows": rows}, "top-rows", 0.5, np.random.default_rng(0), {})
    back = expand(Packed("ials", 4, forms), "top-rows")["rows"]
    assert np.flatnonzero(np.abs(back).sum(axis=1)).tolist() == [1, 3]
    np.testing.assert_allclose(left["rows"][[0, 2]], rows[[0, 2]])


# What nobody may send


def _forms(compression: str) -> Arrays:
    return compress(an_update(np.random.default_rng(1)), compression, 0.5, np.random.default_rng(1), {})[0]


BROKEN: list[tuple[str, str, Callable[[Arrays], Arrays], str]] = [
    ("int8", "rows as float32", lambda a: a | {"residual": np.zeros((5, 4), np.float32)}, "residual is not compressed"),
    ("int8", "rows as float16", lambda a: a | {"residual": np.zeros((5, 4), np.float16)}, "residual is not compressed"),
    ("float16", "rows as int8", lambda a: a | {"residual": np.zeros((5, 4), np.int8)}, "residual is not compressed"),
    ("int8", "a matrix as it is", lambda a: a | {"gram": np.eye(4)}, "gram is not compressed"),
    ("int8", "both forms", lambda a: a | {"gram": np.zeros(2, np.float32)}, "gram is there in two forms"),
    ("int8", "-128", lambda a: a | {"residual": np.full((5, 4), -128, np.int8)}, "a value below -127"),
    ("int8", "a scale too few", lambda a: a | {"residual.scale": np.ones(4, np.float32)}, "one finite scale"),
    ("int8", "a negative scale", lambda a: a | {"residual.scale": -np.ones(5, np.float32)}, "one finite scale"),
    ("int8", "an endless scale", lambda a: a | {"residual.scale": np.full(5, np.inf, np.float32)}, "one finite scale"),
    ("int8", "a scale of nothing", lambda a: a | {"other.scale": np.ones(5, np.float32)}, "other is not compressed"),
    ("int8", "rows sent", lambda a: a | {"residual.sent": np.arange(5, dtype=np.uint8)}, "residual is not compressed"),
    ("int8", "wide counts", lambda a: a | {"users": np.array([3], np.uint32)}, "users is not in the smallest type"),
    ("int8", "gaps", lambda a: a | {"row_ids": np.full(5, 2**32 - 1, np.uint32)}, "lead beyond every catalogue"),
    ("int8", "a cut triangle", lambda a: a | {"gram.triangle": np.ones(9, np.float32)}, "is not a triangle"),
    ("int8", "a double triangle", lambda a: a | {"gram.triangle": np.ones(10)}, "is not a triangle"),
    ("int8", "NaN", lambda a: a | {"gram.triangle": np.full(10, np.nan, np.float32)}, "not finite"),
    ("int8", "a giant", lambda a: a | {"gram.triangle": np.ones(1025 * 513, np.float32)}, "more than 1024 rows"),
    ("top-rows", "no rows said", lambda a: {n: x for n, x in a.items() if n != "residual" + SENT}, "is not compressed"),
    ("top-rows", "sent alone", lambda a: a | {"bias.sent": np.zeros(2, np.uint8)}, "the rows are missing"),
    ("top-rows", "twice", lambda a: a | {"residual.sent": np.array([1, 0], np.uint8)}, "not strictly ascending"),
    ("top-rows", "outside", lambda a: a | {"residual.sent": np.array([1, 4], np.uint8)}, "not strictly ascending"),
    ("top-rows", "too few", lambda a: a | {"residual.sent": np.array([1], np.uint8)}, "which rows were sent"),
]


@pytest.mark.parametrize(
    ("compression", "change", "reason"),
    [
        pytest.param(compression, change, reason, id=f"{compression}: {what}")
        for compression, what, change, reason in BROKEN
    ],
)
def test_another_form_is_rejected(compression: str, change: Callable[[Arrays], Arrays], reason: str) -> None:
    forms = _forms(compression)
    assert set(expand(packed(forms), compression)) == set(an_update(np.random.default_rng(1)))
    with pytest.raises(Rejected, match=reason):
        expand(packed(change(forms)), compression)


def test_few_rows_cannot_become_more_than_an_update_may_be() -> None:
    forms: Arrays = {
        "rows": np.zeros((1, 70_000), np.int8),
        "rows" + SCALE: np.zeros(1, np.float32),
        "rows" + SENT: np.zeros(1, np.uint8),
    }
    with pytest.raises(Rejected, match="would have more than"):
        expand(Packed("ials", 1000, forms), "top-rows")


def test_the_names_of_forms_are_no_names_of_arrays() -> None:
    assert {name for name in _forms("top-rows") if "." in name} == {
        "residual" + SCALE,
        "residual" + SENT,
        "gram" + TRIANGLE,
    }
