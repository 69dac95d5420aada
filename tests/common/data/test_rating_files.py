from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data import rating_lines
from common.data.load import load_dataset
from common.data.rating_lines import read_rating_lines
from common.data.rating_table import RatingTable, index_text_ids
from common.data.source_file import SourceFile
from common.errors import WrongUse

FIELD = st.one_of(
    st.integers(-2, 2**64).map(str),
    st.floats(width=32).map(str),
    st.text("0123456789.-+e_ nai", max_size=5),
)


@given(st.lists(st.lists(FIELD, min_size=2, max_size=5), min_size=1, max_size=4), st.sampled_from(["::", "\t"]))
def test_reading_at_once_agrees_with_reading_line_by_line(lines: list[list[str]], separator: str) -> None:
    data = "\n".join(separator.join(fields) for fields in lines).encode()
    dtype = np.dtype(rating_lines._COLUMNS)
    at_once = rating_lines._read_at_once(data, separator, dtype)
    if at_once is not None:
        source = SourceFile(Path("ratings.dat"), "ratings.dat", data)
        np.testing.assert_array_equal(at_once, rating_lines._read_line_by_line(source, separator, dtype))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(-5, 5, width=16), st.integers(0, 3)), min_size=1)
)
def test_of_a_repeated_pair_the_latest_stands_and_then_the_last_line(
    lines: list[tuple[int, int, float, int]],
) -> None:
    text = "".join(f"{user}\t{item}\t{rating}\t{time}\r\n" for user, item, rating, time in lines)
    table = read_rating_lines(SourceFile(Path("u.data"), "u.data", text.encode()), "\t", with_timestamps=True)
    expected: dict[tuple[str, str], tuple[float, int]] = {}
    for user, item, rating, time in lines:
        if time >= expected.get((str(user), str(item)), (0.0, -1))[1]:
            expected[str(user), str(item)] = (rating, time)
    rows = table.interactions()
    found = {
        (table.user_ids[user], table.item_ids[item]): (rating, time)
        for user, item, rating, time in zip(
            rows.users.tolist(), rows.items.tolist(), rows.ratings.tolist(), rows.timestamps.tolist(), strict=True
        )
    }
    assert found == expected
    assert rows.items.size == len(expected)


def test_ids_ascend_as_numbers_where_all_are_numbers() -> None:
    ids, codes = index_text_ids(["10", "9", "2"], np.array([0, 1, 2, 0], dtype=np.int32))
    assert (ids, codes.tolist()) == (("2", "9", "10"), [2, 1, 0, 2])
    ids, codes = index_text_ids(["b", "10", "9"], np.array([0, 1, 2], dtype=np.int32))
    assert (ids, codes.tolist()) == (("10", "9", "b"), [2, 0, 1])


def load_csv(path: Path, text: str, columns: str) -> RatingTable:
    path.write_text(text, encoding="utf-8", newline="")
    dataset = load_dataset(f"csv:{path}", None, columns)
    rows = dataset.interactions
    return RatingTable(dataset.user_ids, dataset.item_ids, rows.users, rows.items, rows.ratings, rows.timestamps)


def test_any_csv_loads_by_the_names_of_its_columns(tmp_path: Path) -> None:
    text = (
        "\ufeffnote,film,who,stars,when\r\n"
        '"a, b","Crouching Tiger, Hidden Dragon",Ana,4.5,964982703.0\r\n'
        '"two\r\nlines","say ""hi""",Ørsted,3,964982704\r\n'
        "\r\n"
        '-,"Crouching Tiger, Hidden Dragon",Ana,2,5\r\n'
    )
    table = load_csv(tmp_path / "x.csv", text, "user=who,item=film,rating=stars,timestamp=when")
    assert table.user_ids == ("Ana", "Ørsted")
    assert table.item_ids == ("Crouching Tiger, Hidden Dragon", 'say "hi"')
    assert table.ratings.tolist() == [4.5, 3.0]
    assert table.timestamps.tolist() == [964_982_703, 964_982_704]


def test_ratings_and_timestamps_are_optional_in_a_csv(tmp_path: Path) -> None:
    table = load_csv(tmp_path / "x.csv", "u,i\n7,b\n7,a\n12,a\n", "user=u,item=i")
    assert (table.user_ids, table.users.tolist(), table.items.tolist()) == (("7", "12"), [0, 0, 1], [0, 1, 0])
    assert (table.ratings.tolist(), table.timestamps.tolist()) == ([1.0] * 3, [0] * 3)


def test_a_line_number_counts_the_lines_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"x\.csv, line 5: expected a finite number"):
        load_csv(tmp_path / "x.csv", 'u,i,r\n"a\nb",1,2\n\nc,1,x\n', "user=u,item=i,rating=r")


def test_the_rebuilt_file_goes_before_the_official_one(tmp_path: Path) -> None:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "ratings.dat").write_text("1::10::4::100\n")
    assert load_dataset("ml-1m", tmp_path).item_ids == ("10",)
    (folder / "ratings.rebuilt.dat").write_text("1::20::4::100\n")
    assert load_dataset("ml-1m", tmp_path).item_ids == ("20",)
