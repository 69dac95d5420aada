"""MovieLens-100K (Harper & Konstan 2015): u.data and u.item."""

from pathlib import Path

from common.data.dataset import Dataset
from common.data.movies import Movie, named_genres, titles_and_genres
from common.data.rating_lines import read_rating_lines
from common.data.source_file import SourceFile, hashes_of, read_optional_source, read_source

# the columns of u.item after the fifth, as u.genre lists them
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_FIELDS_BEFORE_GENRES = 5


def load_ml_100k(folder: Path) -> Dataset:
    """Load u.data and, where it is there, u.item.

    Raises:
        WrongUse: a file is missing or malformed.
    """
    ratings = read_source(folder, "u.data")
    table = read_rating_lines(ratings, "\t", with_timestamps=True)
    movie_file = read_optional_source(folder, "u.item")
    titles, genres = titles_and_genres(table.item_ids, movie_file, _read_movies)
    hashes, rows = hashes_of([ratings, movie_file]), table.interactions()
    return Dataset("ml-100k", rows, table.user_ids, table.item_ids, titles, genres, hashes, lines=table.lines)


def _read_movies(source: SourceFile) -> dict[str, Movie]:
    movies = {}
    for number, line in source.lines():
        fields = line.split("|")
        flags = fields[_FIELDS_BEFORE_GENRES:]
        if len(flags) != len(_GENRES) or not set(flags) <= {"0", "1"}:
            raise source.malformed(number, f"5 fields and {len(_GENRES)} genre flags between '|'", line)
        genres = [genre for genre, flag in zip(_GENRES, flags, strict=True) if flag == "1"]
        movies[fields[0]] = Movie(fields[1], named_genres(genres))
    return movies
