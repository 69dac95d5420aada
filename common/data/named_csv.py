"""Any CSV with a header: the columns that matter are given by name, quoted fields are fine."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.data.dataset import Dataset
from common.data.rating_table import RatingTable, index_text_ids
from common.data.source_file import SourceFile, hashes_of, read_exact_source
from common.errors import WrongUse

_EXAMPLE = "user=userId,item=movieId,rating=rating,timestamp=timestamp"


@dataclass(frozen=True)
class CsvColumns:
    """The names of the columns; None where the file has no such column."""

    user: str
    item: str
    rating: str | None = None
    timestamp: str | None = None

    @classmethod
    def parse(cls, text: str) -> "CsvColumns":
        """Read "user=userId,item=movieId,rating=rating,timestamp=timestamp"; the last two may be left out.

        Raises:
            WrongUse: the text has another form.
        """
        named: dict[str, str] = {}
        for part in text.split(","):
            role, _, column = part.partition("=")
            if role not in ("user", "item", "rating", "timestamp") or not column or role in named:
                raise WrongUse(f"--csv-columns is {text!r}: write it like {_EXAMPLE!r}.")
            named[role] = column
        if "user" not in named or "item" not in named:
            raise WrongUse(f"--csv-columns names no user or no item column: write it like {_EXAMPLE!r}.")
        return cls(**named)


def load_named_csv(name: str, path: Path, columns: CsvColumns) -> Dataset:
    """Load a CSV file. Ids are text; a rating that is not there is 1, a timestamp that is not there unknown.

    Raises:
        WrongUse: the file is missing or malformed.
    """
    source = read_exact_source(path)
    table = read_csv_ratings(source, columns)
    hashes, rows = hashes_of([source]), table.interactions()
    return Dataset(name, rows, table.user_ids, table.item_ids, None, None, hashes, lines=table.lines)


def read_csv_ratings(source: SourceFile, columns: CsvColumns) -> RatingTable:
    """Read the lines of a CSV; of the columns only the named ones are looked at.

    Raises:
        WrongUse: a column is not in the header, a line is malformed (it names the first), or there is none.
    """
    records = read_csv_records(source)
    _, header = next(records, (1, []))
    at_user, at_item = _position(source, header, columns.user), _position(source, header, columns.item)
    at_rating = None if columns.rating is None else _position(source, header, columns.rating)
    at_timestamp = None if columns.timestamp is None else _position(source, header, columns.timestamp)
    table = _table(source, records, at_user, at_item, at_rating, at_timestamp)
    if table is None:
        raise WrongUse(f"{source.path} has no line after its header: check that it is the ratings file.")
    return table


def read_headless_csv(source: SourceFile) -> RatingTable:
    """Read lines `item,user,rating,timestamp` of a CSV without a header.

    Raises:
        WrongUse: a line is malformed (it names the first), or there is none.
    """
    table = _table(source, _of_four_fields(source), at_user=1, at_item=0, at_rating=2, at_timestamp=3)
    if table is None:
        raise WrongUse(f"{source.path} is empty: download it again.")
    return table


def table_of_text_ids(
    user_codes: Mapping[str, int],
    item_codes: Mapping[str, int],
    users: Sequence[int],
    items: Sequence[int],
    ratings: Sequence[float],
    timestamps: Sequence[int],
) -> RatingTable:
    """Put the ids in order.

    Args:
        user_codes, item_codes: The numbers by which `users` and `items` speak of the ids, ascending from 0.
        users, items, ratings, timestamps: One of each a line.
    """
    user_ids, user_indices = index_text_ids(list(user_codes), np.array(users, dtype=np.int32))
    item_ids, item_indices = index_text_ids(list(item_codes), np.array(items, dtype=np.int32))
    return RatingTable(
        user_ids,
        item_ids,
        user_indices,
        item_indices,
        np.array(ratings, dtype=np.float32),
        np.array(timestamps, dtype=np.int64),
    )


def _of_four_fields(source: SourceFile) -> Iterator[tuple[int, list[str]]]:
    for line, record in read_csv_records(source):
        if len(record) != 4:
            raise source.malformed(line, "'item,user,rating,timestamp'", ",".join(record))
        yield line, record


def _table(
    source: SourceFile,
    records: Iterator[tuple[int, list[str]]],
    at_user: int,
    at_item: int,
    at_rating: int | None,
    at_timestamp: int | None,
) -> RatingTable | None:
    """Read the records, None where there is none."""
    user_codes: dict[str, int] = {}
    item_codes: dict[str, int] = {}
    users, items, ratings, timestamps = [], [], [], []
    for line, record in records:
        users.append(_code(source, line, user_codes, record[at_user]))
        items.append(_code(source, line, item_codes, record[at_item]))
        ratings.append(1.0 if at_rating is None else _rating(source, line, record[at_rating]))
        timestamps.append(0 if at_timestamp is None else _timestamp(source, line, record[at_timestamp]))
    return table_of_text_ids(user_codes, item_codes, users, items, ratings, timestamps) if users else None


def read_csv_records(source: SourceFile) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of every record, the header first; blank lines are passed over.

    Raises:
        WrongUse: the text is not UTF-8, quotes do not match, or a record is not as long as the header.
    """
    try:
        text = source.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.data.count(b"\n", 0, error.start) + 1
        found = repr(source.data[error.start : error.start + 1])
        raise source.malformed(line, "UTF-8 text", found) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    fields = 0
    try:
        for record in reader:
            if record:
                fields = fields or len(record)
                if len(record) != fields:
                    raise source.malformed(reader.line_num, f"{fields} fields", ",".join(record))
                yield reader.line_num, record
    except csv.Error as error:
        raise source.malformed(reader.line_num, "comma-separated fields", str(error)) from error


def _position(source: SourceFile, header: list[str], column: str) -> int:
    if header.count(column) != 1:
        raise source.malformed(1, f"a header with one column {column!r}", ",".join(header))
    return header.index(column)


def _code(source: SourceFile, line: int, codes: dict[str, int], text: str) -> int:
    """Return the number of this id, a new one for a new id."""
    code = codes.get(text)
    if code is None:
        if not _is_id(text):
            raise source.malformed(line, "an id that is not empty, negative or NaN", text)
        code = codes[text] = len(codes)
    return code


def _is_id(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return bool(text.strip())
    return math.isfinite(number) and number >= 0


def _number(text: str) -> float:
    """Return the number, NaN where the text is none; Python alone would read 1_0 as 10."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _rating(source: SourceFile, line: int, text: str) -> float:
    rating = _number(text)
    if not math.isfinite(rating) or abs(rating) > float(np.finfo(np.float32).max):
        raise source.malformed(line, "a finite number as the rating", text)
    return rating


def _timestamp(source: SourceFile, line: int, text: str) -> int:
    """Read whole seconds; files that went through a data frame may write them as 964982703.0."""
    number = int(text) if text.isdecimal() else _number(text)
    if not 0 <= number < 2**63:  # false for NaN too
        raise source.malformed(line, "seconds since 1970 as the timestamp", text)
    return int(number)
