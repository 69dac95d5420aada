"""MovieLens-1M (Harper & Konstan 2015), alone and with the split published with NCF (He et al. 2017)."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from common.data.dataset import Dataset, OfficialSplit
from common.data.movies import Movie, named_genres, titles_and_genres
from common.data.negatives import CANDIDATE_COUNT
from common.data.rating_lines import read_rating_lines
from common.data.rating_table import RatingTable
from common.data.source_file import SourceFile, hashes_of, read_optional_source, read_source
from common.data.user_items import NO_ITEM


def load_ml_1m(folder: Path) -> Dataset:
    """Load ratings.rebuilt.dat or else ratings.dat and, where it is there, movies.dat.

    The rebuilt file has every pair and rating of the official one, in its order; half of its timestamps are 0,
    unknown.

    Raises:
        WrongUse: a file is missing or malformed.
    """
    dataset, _ = _load(folder)
    return dataset


def load_ml_1m_ncf(folder: Path) -> Dataset:
    """Load MovieLens-1M with the test items and negatives of ncf-split/ml-1m.test.negative.

    156 of the published negatives are items that the user did rate; they stay, so that numbers compare with
    those of others.

    Raises:
        WrongUse: a file is missing or malformed, or the split does not belong to these ratings.
    """
    dataset, table = _load(folder)
    source = read_source(folder, "ncf-split/ml-1m.test.negative", "ml-1m.test.negative")
    return replace(
        dataset,
        name="ml-1m-ncf",
        official_split=_read_split(source, dataset, table),
        file_hashes=dataset.file_hashes | hashes_of([source]),
    )


def _load(folder: Path) -> tuple[Dataset, RatingTable]:
    ratings = read_source(folder, "ratings.rebuilt.dat", "ratings.dat")
    table = read_rating_lines(ratings, "::", with_timestamps=True)
    movie_file = read_optional_source(folder, "movies.dat")
    titles, genres = titles_and_genres(table.item_ids, movie_file, _read_movies)
    hashes, rows = hashes_of([ratings, movie_file]), table.interactions()
    dataset = Dataset("ml-1m", rows, table.user_ids, table.item_ids, titles, genres, hashes, lines=table.lines)
    return dataset, table


def _read_movies(source: SourceFile) -> dict[str, Movie]:
    movies = {}
    for number, line in source.lines():
        fields = line.split("::")
        if len(fields) != 3:
            raise source.malformed(number, "'movie::title::genres'", line)
        movies[fields[0]] = Movie(fields[1], named_genres(fields[2].split("|")))
    return movies


def _read_split(source: SourceFile, dataset: Dataset, table: RatingTable) -> OfficialSplit:
    """Read lines "(user,item)\\tnegative...": NCF's user is UserID - 1.

    NCF's item is the rank of the movie's first appearance in the ratings file; nobody published the map, it was
    deduced, and every test pair agrees with it.
    """
    items, first_lines = np.unique(table.items, return_index=True)
    item_of_rank = items[np.argsort(first_lines)]
    user_index = {user_id: index for index, user_id in enumerate(dataset.user_ids)}
    test = np.full(len(dataset.user_ids), NO_ITEM, dtype=np.int32)
    candidates = np.full((test.size, CANDIDATE_COUNT), NO_ITEM, dtype=np.int32)
    for number, line in source.lines():
        try:
            user, test_rank, negative_ranks = _parse_split_line(line)
            row = user_index[str(user + 1)]
            test[row] = item_of_rank[test_rank]
            candidates[row] = item_of_rank[negative_ranks]
        except (ValueError, KeyError, IndexError) as error:
            expected = f"'(user,item)' and {CANDIDATE_COUNT} items of the ratings file between tabs"
            raise source.malformed(number, expected, line) from error
        if test[row] not in dataset.interactions.items_of(row):
            raise source.malformed(number, "a test item that the user rated", line)
    return OfficialSplit(test, candidates)


def _parse_split_line(line: str) -> tuple[int, int, list[int]]:
    """Return user, test item and negatives, in NCF's numbers.

    Raises:
        ValueError: the line has another form or a number below 0.
    """
    pair, *rest = line.split("\t")
    user_text, item_text = pair.removeprefix("(").removesuffix(")").split(",")
    user, item, negatives = int(user_text), int(item_text), [int(text) for text in rest]
    if min(user, item, *negatives) < 0 or len(negatives) != CANDIDATE_COUNT:
        raise ValueError(line)
    return user, item, negatives
