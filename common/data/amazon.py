"""Amazon reviews of 2018 (Ni, Li & McAuley 2019), category Appliances: the ratings alone, or the 5-core reviews.

Ids are text, and there are no titles. Both files repeat pairs; of a pair the latest line counts. The 5-core file is no
benchmark: its 2,277 reviews are 183 distinct pairs.
"""

from pathlib import Path

import numpy as np

from common.bounded_json import parse_json
from common.data.dataset import Dataset
from common.data.named_csv import read_headless_csv, table_of_text_ids
from common.data.rating_table import RatingTable
from common.data.source_file import SourceFile, hashes_of, read_source
from common.errors import WrongUse

_REVIEWS = "Appliances_5.json"
_EXPECTED = (
    "a JSON object with texts 'asin' and 'reviewerID', a finite number 'overall' and seconds since 1970 "
    "as 'unixReviewTime'"
)


def load_amazon_appliances(folder: Path) -> Dataset:
    """Load Appliances.csv, or else Appliances_5.json.

    Raises:
        WrongUse: the file is missing or malformed.
    """
    ratings = read_source(folder, "Appliances.csv", _REVIEWS)
    table = read_review_lines(ratings) if ratings.name == _REVIEWS else read_headless_csv(ratings)
    rows, hashes = table.interactions(), hashes_of([ratings])
    return Dataset("amazon-appliances", rows, table.user_ids, table.item_ids, None, None, hashes, lines=table.lines)


def read_review_lines(source: SourceFile) -> RatingTable:
    """Read one review a line; of each only item, user, rating and time are looked at.

    Raises:
        WrongUse: a line is malformed (it names the first), or there is none.
    """
    user_codes: dict[str, int] = {}
    item_codes: dict[str, int] = {}
    users, items, ratings, timestamps = [], [], [], []
    for number, line in source.lines():
        review = _parse_review(line)
        if review is None:
            raise source.malformed(number, _EXPECTED, line)
        item, user, rating, timestamp = review
        users.append(user_codes.setdefault(user, len(user_codes)))
        items.append(item_codes.setdefault(item, len(item_codes)))
        ratings.append(rating)
        timestamps.append(timestamp)
    if not users:
        raise WrongUse(f"{source.path} is empty: download it again.")
    return table_of_text_ids(user_codes, item_codes, users, items, ratings, timestamps)


def _parse_review(line: str) -> tuple[str, str, float, int] | None:
    """Return item, user, rating and time of one line (read as latin-1), None where it is malformed."""
    try:
        review = parse_json(line.encode("latin-1"))
        item, user = review["asin"], review["reviewerID"]
        rating, timestamp = review["overall"], review["unixReviewTime"]
    except (ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(text, str) and text.strip() for text in (item, user)):
        return None
    if type(rating) not in (int, float) or not abs(rating) <= float(np.finfo(np.float32).max):  # false for NaN too
        return None
    if type(timestamp) is not int or not 0 <= timestamp < 2**63:
        return None
    return item, user, float(rating), timestamp
