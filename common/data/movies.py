"""Titles and genres of items, from the movie file beside a ratings file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from common.data.source_file import SourceFile
from common.errors import WrongUse

_NO_GENRES = ("", "(no genres listed)", "unknown")


@dataclass(frozen=True)
class Movie:
    """One line of a movie file."""

    title: str
    genres: tuple[str, ...]


def named_genres(genres: Sequence[str]) -> tuple[str, ...]:
    """Leave out the words by which the files say that there is no genre."""
    return tuple(genre for genre in genres if genre not in _NO_GENRES)


def titles_and_genres(
    item_ids: Sequence[str],
    source: SourceFile | None,
    read_movies: Callable[[SourceFile], Mapping[str, Movie]],
) -> tuple[tuple[str, ...] | None, tuple[tuple[str, ...], ...] | None]:
    """Return the title and the genres of each item, in the items' order; (None, None) without a movie file.

    A movie without a title is called by its id.

    Args:
        item_ids: The items with ratings; the movie file may hold more.
        source: The movie file, where there is one.
        read_movies: Reads it, by item id.

    Raises:
        WrongUse: the file is malformed, or an item with ratings is not in it.
    """
    if source is None:
        return None, None
    movies = read_movies(source)
    missing = [item_id for item_id in item_ids if item_id not in movies]
    if missing:
        raise WrongUse(f"{source.path} has no movie {missing[0]}, which has ratings: take both files from one release.")
    titles = tuple(movies[item_id].title or f"Movie {item_id}" for item_id in item_ids)
    return titles, tuple(movies[item_id].genres for item_id in item_ids)
