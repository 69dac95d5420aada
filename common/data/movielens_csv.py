"""MovieLens as CSV: the bundled release of 2016 and ml-latest-small (2018).

Harper & Konstan (2015), The MovieLens Datasets: History and Context, ACM TiiS 5(4):19.
"""

from pathlib import Path

from common.data.dataset import Dataset
from common.data.movies import Movie, named_genres, titles_and_genres
from common.data.named_csv import CsvColumns, read_csv_ratings, read_csv_records
from common.data.published import BUNDLED_NAME
from common.data.source_file import SourceFile, hashes_of, read_optional_source, read_source

_COLUMNS = CsvColumns("userId", "movieId", "rating", "timestamp")


def load_bundled() -> Dataset:
    """Load the data set that comes with the code: 671 users, 9,066 movies, 100,004 ratings."""
    return load_movielens_csv(BUNDLED_NAME, Path(__file__).parent / "bundled" / BUNDLED_NAME)


def load_movielens_csv(name: str, folder: Path) -> Dataset:
    """Load ratings.csv and, where it is there, movies.csv.

    Raises:
        WrongUse: a file is missing or malformed.
    """
    ratings = read_source(folder, "ratings.csv")
    table = read_csv_ratings(ratings, _COLUMNS)
    movie_file = read_optional_source(folder, "movies.csv")
    titles, genres = titles_and_genres(table.item_ids, movie_file, _read_movies)
    hashes, rows = hashes_of([ratings, movie_file]), table.interactions()
    return Dataset(name, rows, table.user_ids, table.item_ids, titles, genres, hashes, lines=table.lines)


def _read_movies(source: SourceFile) -> dict[str, Movie]:
    """Read `movieId,title,genres`; the release of 2016 has the year in a column of its own before the genres."""
    records = read_csv_records(source)
    _, header = next(records, (1, []))
    if header not in (["movieId", "title", "genres"], ["movieId", "title", "year", "genres"]):
        raise source.malformed(1, "the header movieId,title,genres", ",".join(header))
    movies = {}
    for _, record in records:
        year = record[2] if len(record) == 4 else ""
        title = f"{record[1]} ({year})" if year else record[1]
        movies[record[0]] = Movie(title, named_genres(record[-1].split("|")))
    return movies
