"""FilmTrust (Guo, Zhang & Yorke-Smith, IJCAI 2013): ratings without timestamps or titles."""

from pathlib import Path

from common.data.dataset import Dataset
from common.data.rating_lines import read_rating_lines
from common.data.source_file import hashes_of, read_source


def load_filmtrust(folder: Path) -> Dataset:
    """Load ratings.txt. Three pairs stand in it twice; their last lines count.

    Raises:
        WrongUse: the file is missing or malformed.
    """
    ratings = read_source(folder, "ratings.txt")
    table = read_rating_lines(ratings, " ", with_timestamps=False)
    hashes, lines = hashes_of([ratings]), table.lines
    return Dataset("filmtrust", table.interactions(), table.user_ids, table.item_ids, None, None, hashes, lines=lines)
