"""Amazon's two files: ratings without a header, and reviews as JSON lines."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.amazon import read_review_lines
from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.named_csv import read_headless_csv
from common.data.source_file import SourceFile
from common.errors import WrongUse


def review(item: object, user: object, rating: object, time: object, **more: object) -> str:
    return json.dumps({"overall": rating, "reviewerID": user, "asin": item, "unixReviewTime": time} | more)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "amazon-appliances" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def triples(dataset: Dataset) -> dict[tuple[str, str], tuple[float, int]]:
    rows = dataset.interactions
    return {
        (dataset.user_ids[user], dataset.item_ids[item]): (rating, time)
        for user, item, rating, time in zip(
            rows.users.tolist(), rows.items.tolist(), rows.ratings.tolist(), rows.timestamps.tolist(), strict=True
        )
    }


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_ratings_have_the_item_first_and_of_a_pair_the_latest_stands(tmp_path: Path, suffix: str) -> None:
    lines = "B2,A1,5.0,300\nB1,A2,4.0,100\nB2,A1,1.0,200\nB1,A2,3.0,100\n"
    write(tmp_path, f"Appliances.csv{suffix}", lines)
    dataset = load_dataset("amazon-appliances", tmp_path)
    assert triples(dataset) == {("A1", "B2"): (5.0, 300), ("A2", "B1"): (3.0, 100)}
    assert (dataset.name, dataset.lines, dataset.titles) == ("amazon-appliances", 4, None)
    assert list(dataset.file_hashes) == ["Appliances.csv"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reviews_are_read_for_their_ratings_alone(tmp_path: Path, suffix: str) -> None:
    lines = [
        review("B1", "A1", 5.0, 300, reviewText="Größe, “fine”\n", style={"Size:": " 6"}, image=["x"]),
        review("B1", "A1", 2, 400, summary=None),
        review("B2", "A1", 1.0, 0),
    ]
    write(tmp_path, f"Appliances_5.json{suffix}", "\r\n".join(lines) + "\r\n\r\n")
    dataset = load_dataset("amazon-appliances", tmp_path)
    assert triples(dataset) == {("A1", "B1"): (2.0, 400), ("A1", "B2"): (1.0, 0)}
    assert (dataset.lines, list(dataset.file_hashes)) == (3, ["Appliances_5.json"])


def test_all_ratings_go_before_the_5_core_reviews(tmp_path: Path) -> None:
    write(tmp_path, "Appliances_5.json", review("B1", "A1", 5.0, 1))
    write(tmp_path, "Appliances.csv", "B2,A1,5.0,1\n")
    assert load_dataset("amazon-appliances", tmp_path).item_ids == ("B2",)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from([1.0, 2.5, 5.0]), st.integers(0, 3)),
        min_size=1,
    )
)
def test_both_files_give_the_same(lines: list[tuple[str, str, float, int]]) -> None:
    ratings = "".join(f"{item},{user},{rating},{time}\n" for item, user, rating, time in lines).encode()
    reviews = "".join(review(*line) + "\n" for line in lines).encode()
    alone = read_headless_csv(SourceFile(Path("Appliances.csv"), "Appliances.csv", ratings))
    full = read_review_lines(SourceFile(Path("Appliances_5.json"), "Appliances_5.json", reviews))
    assert (alone.user_ids, alone.item_ids, alone.lines) == (full.user_ids, full.item_ids, full.lines)
    for name, array in alone.interactions().to_arrays("x").items():
        assert array.tolist() == full.interactions().to_arrays("x")[name].tolist()


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1]",
        "3",
        "null",
        "{}",
        review(7, "A1", 5.0, 1),
        review("", "A1", 5.0, 1),
        review("B1", None, 5.0, 1),
        review("B1", " ", 5.0, 1),
        review("B1", "A1", "5.0", 1),
        review("B1", "A1", True, 1),
        review("B1", "A1", float("nan"), 1),
        review("B1", "A1", 1e39, 1),
        review("B1", "A1", 10**400, 1),
        review("B1", "A1", 5.0, -1),
        review("B1", "A1", 5.0, 1.5),
        review("B1", "A1", 5.0, "1"),
        review("B1", "A1", 5.0, 2**63),
        "[" * 100_000,
        '{"asin": "B1',
    ],
)
def test_a_malformed_review_is_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, "Appliances_5.json", f"{review('B1', 'A1', 5.0, 1)}\n\n{line}\n")
    with pytest.raises(WrongUse) as caught:
        load_dataset("amazon-appliances", tmp_path)
    assert str(caught.value).startswith(f"{path}, line 3: expected a JSON object with texts 'asin'")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("B1,A1,5.0", "4 fields"),
        ("B1,A1,5.0,1,2", "4 fields"),
        ("B1,A1,five,1", "a finite number as the rating"),
        ("B1,A1,nan,1", "a finite number as the rating"),
        ("B1,A1,5.0,noon", "seconds since 1970"),
        (",A2,5.0,1", "an id"),
        ("B1, ,5.0,1", "an id"),
    ],
)
def test_a_malformed_rating_is_named(tmp_path: Path, line: str, expected: str) -> None:
    path = write(tmp_path, "Appliances.csv", f"B1,A1,5.0,1\n{line}\n")
    with pytest.raises(WrongUse) as caught:
        load_dataset("amazon-appliances", tmp_path)
    assert str(caught.value).startswith(f"{path}, line 2: expected {expected}")


def test_a_first_line_of_other_fields_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "Appliances.csv", "B1,A1,5.0\n")
    with pytest.raises(WrongUse) as caught:
        load_dataset("amazon-appliances", tmp_path)
    assert str(caught.value).startswith(f"{path}, line 1: expected 'item,user,rating,timestamp', found")
