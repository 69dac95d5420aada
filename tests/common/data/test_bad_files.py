"""Every bad file gets one sentence that names the file, the line, and what was expected."""

import gzip
import lzma
import re
from pathlib import Path

import pytest

from common.data.load import load_dataset
from common.data.published import PUBLISHED
from common.errors import WrongUse

GOOD_CSV = "userId,movieId,rating,timestamp\n1,10,4.0,100\n2,10,3.5,200\n"
MOVIES_CSV = 'movieId,title,genres\n10,"Cry, the Beloved Country (1995)",Drama\n'
COLUMNS = "user=userId,item=movieId,rating=rating,timestamp=timestamp"


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode("latin-1"))
    return folder / name


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("ml-latest-small", "ratings.csv"),
        ("ml-1m", "ratings.rebuilt.dat or ratings.dat"),
        ("ml-1m-ncf", "ratings.rebuilt.dat or ratings.dat, ncf-split/ml-1m.test.negative or ml-1m.test.negative"),
        ("ml-100k", "u.data"),
        ("filmtrust", "ratings.txt"),
        ("amazon-appliances", "Appliances.csv or Appliances_5.json"),
    ],
)
def test_a_missing_file_is_named_with_the_place_the_command_and_the_variable(
    tmp_path: Path, name: str, files: str
) -> None:
    with pytest.raises(WrongUse) as error:
        load_dataset(name, tmp_path)
    for part in (files, str(tmp_path / name.removesuffix("-ncf")), f"`tfedrs data fetch {name}`", "TFEDRS_DATA"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("ml-20m", "", "no data set 'ml-20m'"),
        ("csv:ratings.csv", "", "--csv-columns"),
        ("ml-100k", COLUMNS, "no meaning for ml-100k"),
        ("csv:nowhere.csv", COLUMNS, "no file nowhere.csv"),
        ("csv:nowhere.csv", "user=a", "names no user or no item"),
        ("csv:nowhere.csv", "user=a,item=b,user=c", "write it like"),
        ("csv:nowhere.csv", "user=a,item=b,colour=c", "write it like"),
        ("csv:nowhere.csv", "user=a,item", "write it like"),
    ],
)
def test_a_wrong_name_or_wrong_columns_are_wrong_use(tmp_path: Path, name: str, columns: str, message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        load_dataset(name, tmp_path, columns)


def test_a_data_set_that_is_not_bundled_needs_a_folder() -> None:
    with pytest.raises(WrongUse, match="`tfedrs data fetch ml-1m`, or set TFEDRS_DATA"):
        load_dataset("ml-1m", None)


@pytest.mark.parametrize("name", [name for name, published in PUBLISHED.items() if published.downloads])
def test_the_table_of_data_sets_knows_which_files_the_loaders_need(tmp_path: Path, name: str) -> None:
    published = PUBLISHED[name]
    needed = [file for one in published.downloads for file in one.gives[:1]]
    for file in needed:
        assert published.found(tmp_path) is None
        path = tmp_path / published.folder / f"{file}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert published.found(tmp_path) is not None
    with pytest.raises(WrongUse, match=re.escape(f"{tmp_path / published.folder / needed[0]}.gz")):
        load_dataset(name, tmp_path)  # it looks for this file too


@pytest.mark.parametrize(
    ("name", "file", "good", "bad"),
    [
        ("ml-1m", "ratings.dat", "1::10::4::100", bad)
        for bad in (
            "1::10::4",
            "1::10::4::100::5",
            "1::10::4:100",
            "1:::10::4::100",
            "1\t10\t4\t100",
            "-1::10::4::100",
            "1::-10::4::100",
            "1::10::nan::100",
            "1::10::inf::100",
            "1::10::1e39::100",
            "1::10::four::100",
            "1::10::4::-100",
            "1::10::4::noon",
            "1.5::10::4::100",
            "1_0::10::4::100",
            "::10::4::100",
            "99999999999999999999::10::4::100",
            "1::10::4::100\xff",
        )
    ]
    + [
        ("ml-100k", "u.data", "1\t10\t4\t100", bad)
        for bad in ("1 10 4 100", "1\t10\t4", "1\t10\tnan\t100", "x\t10\t4\t100")
    ]
    + [("filmtrust", "ratings.txt", "1 10 4", bad) for bad in ("1 10", "1 10 4 100", "1  10 4", "1 10 -inf", "1 b 4")],
)
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_the_first_malformed_line_is_named(
    tmp_path: Path, name: str, file: str, good: str, bad: str, suffix: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    text = f"{good}\n\n{bad}\n{bad}\n".encode("latin-1")
    packed = {"": text, ".gz": gzip.compress(text), ".xz": lzma.compress(text)}[suffix]
    path = folder / (file + suffix)
    path.write_bytes(packed)
    with pytest.raises(WrongUse) as error:
        load_dataset(name, tmp_path)
    message = str(error.value)
    assert f"{path}, line 3: expected 'user" in message
    assert bad[:10] in message or repr(bad)[1:10] in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1,10,4.0", "4 fields"),
        ("1,10,4.0,100,5", "4 fields"),
        ("1,10,nan,100", "a finite number as the rating"),
        ("1,10,inf,100", "a finite number as the rating"),
        ("1,10,1e39,100", "a finite number as the rating"),
        ("1,10,,100", "a finite number as the rating"),
        ("1,10,good,100", "a finite number as the rating"),
        ("1,10,1_0,100", "a finite number as the rating"),
        ("1,10,4.0,", "seconds since 1970"),
        ("1,10,4.0,2015-01-01", "seconds since 1970"),
        ("1,10,4.0,-5", "seconds since 1970"),
        ("1,10,4.0,1e30", "seconds since 1970"),
        ("-1,10,4.0,100", "an id"),
        ("1,-10,4.0,100", "an id"),
        ("1,nan,4.0,100", "an id"),
        (" ,10,4.0,100", "an id"),
        ('1,"10"x,4.0,100', "comma-separated fields"),
        ("1,1\xff,4.0,100", "UTF-8"),
    ],
)
def test_a_malformed_csv_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    path = write(tmp_path / "ml-latest-small", "ratings.csv", f"{GOOD_CSV}{line}\n")
    with pytest.raises(WrongUse) as error:
        load_dataset("ml-latest-small", tmp_path)
    assert str(error.value).startswith(f"{path}, line 4: expected {expected}")


def test_a_wrong_header_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "ratings.csv", "user,movie\n1,2\n")
    with pytest.raises(WrongUse, match=r"line 1: expected a header with one column 'userId', found 'user,movie'"):
        load_dataset(f"csv:{path}", None, COLUMNS)


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        ("ml-latest-small", "ratings.csv", "", "header"),
        ("ml-latest-small", "ratings.csv", "userId,movieId,rating,timestamp\n", "no line after its header"),
        ("ml-1m", "ratings.dat", "", "is empty"),
        ("filmtrust", "ratings.txt", "\n\n", "is empty"),
        ("amazon-appliances", "Appliances.csv", "", "is empty"),
        ("amazon-appliances", "Appliances_5.json", "\n", "is empty"),
    ],
)
def test_a_file_without_ratings_is_wrong_use(tmp_path: Path, name: str, file: str, text: str, message: str) -> None:
    write(tmp_path / name, file, text)
    with pytest.raises(WrongUse, match=message):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("file", ["ratings.dat.gz", "ratings.dat.xz"])
def test_a_damaged_archive_is_wrong_use(tmp_path: Path, file: str) -> None:
    text = b"1::10::4::100\n" * 100
    packed = gzip.compress(text) if file.endswith("gz") else lzma.compress(text)
    (tmp_path / "ml-1m").mkdir()
    for damaged in (packed[:-10], b"not an archive", packed[:20] + b"\x00\x01" + packed[22:]):
        (tmp_path / "ml-1m" / file).write_bytes(damaged)
        with pytest.raises(WrongUse, match=r"cannot be read"):
            load_dataset("ml-1m", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("movieId,name,genres\n10,A,Drama\n", "line 1: expected the header"),
        ("movieId,title,genres\n10,A\n", "line 2: expected 3 fields"),
        ("movieId,title,genres\n11,A,Drama\n", "has no movie 10"),
    ],
)
def test_a_bad_movie_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    folder = tmp_path / "ml-latest-small"
    write(folder, "ratings.csv", GOOD_CSV)
    write(folder, "movies.csv", text)
    with pytest.raises(WrongUse, match=message):
        load_dataset("ml-latest-small", tmp_path)


def test_a_movie_file_is_optional_and_quotes_are_fine(tmp_path: Path) -> None:
    folder = tmp_path / "ml-latest-small"
    write(folder, "ratings.csv", GOOD_CSV)
    assert load_dataset("ml-latest-small", tmp_path).titles is None
    write(folder, "movies.csv", MOVIES_CSV)
    assert load_dataset("ml-latest-small", tmp_path).titles == ("Cry, the Beloved Country (1995)",)


@pytest.mark.parametrize(
    ("name", "file", "ratings", "movie_file", "line"),
    [
        ("ml-1m", "ratings.dat", "1::10::4::100", "movies.dat", "10::Toy Story"),
        ("ml-100k", "u.data", "1\t10\t4\t100", "u.item", "10|Toy Story|1995||url|0|1"),
    ],
)
def test_a_malformed_movie_line_is_named(
    tmp_path: Path, name: str, file: str, ratings: str, movie_file: str, line: str
) -> None:
    write(tmp_path / name, file, ratings)
    path = write(tmp_path / name, movie_file, line)
    with pytest.raises(WrongUse, match=r"line 1: expected") as error:
        load_dataset(name, tmp_path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("(0,1)\t" + "\t".join(["2"] * 98), "99 items"),
        ("(0,1)\t" + "\t".join(["x"] * 99), "99 items"),
        ("(0,1)\t" + "\t".join(["-1"] * 99), "99 items"),
        ("(0,1)\t" + "\t".join(["9"] * 99), "99 items"),
        ("(7,1)\t" + "\t".join(["2"] * 99), "99 items"),
        ("0\t" + "\t".join(["2"] * 99), "99 items"),
        ("(0,2)\t" + "\t".join(["1"] * 99), "a test item that the user rated"),
    ],
)
def test_a_malformed_line_of_the_ncf_split_is_named(tmp_path: Path, line: str, expected: str) -> None:
    folder = tmp_path / "ml-1m"
    write(folder, "ratings.dat", "1::30::4::1\n1::20::4::2\n2::10::4::3\n")
    good = "(0,1)\t" + "\t".join(["2"] * 99)
    path = write(folder, "ml-1m.test.negative", f"{good}\n{line}\n")
    with pytest.raises(WrongUse) as error:
        load_dataset("ml-1m-ncf", tmp_path)
    assert str(error.value).startswith(f"{path}, line 2: expected ")
    assert expected in str(error.value)
