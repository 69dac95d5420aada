"""From a data set's name to the data set."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from common.data.amazon import load_amazon_appliances
from common.data.dataset import Dataset
from common.data.filmtrust import load_filmtrust
from common.data.ml_1m import load_ml_1m, load_ml_1m_ncf
from common.data.ml_100k import load_ml_100k
from common.data.movielens_csv import load_bundled, load_movielens_csv
from common.data.named_csv import CsvColumns, load_named_csv
from common.data.published import BUNDLED_NAME, PUBLISHED
from common.errors import WrongUse

_LOADERS: dict[str, Callable[[Path], Dataset]] = {
    "ml-latest-small": partial(load_movielens_csv, "ml-latest-small"),
    "ml-1m": load_ml_1m,
    "ml-1m-ncf": load_ml_1m_ncf,
    "ml-100k": load_ml_100k,
    "filmtrust": load_filmtrust,
    "amazon-appliances": load_amazon_appliances,
}
CSV_PREFIX = "csv:"


def load_dataset(name: str, data_root: Path | None, csv_columns: str = "") -> Dataset:
    """Load a data set.

    Args:
        name: One of `PUBLISHED`, or "csv:PATH" for any CSV with a header.
        data_root: The folder with one folder for each data set; the bundled set and csv: need none.
        csv_columns: For csv: only, such as "user=userId,item=movieId,rating=rating,timestamp=timestamp".

    Raises:
        WrongUse: the name is unknown, or a file is missing or malformed.
    """
    if name.startswith(CSV_PREFIX):
        if not csv_columns:
            raise WrongUse("csv: needs the names of its columns: add --csv-columns user=...,item=....")
        return load_named_csv(name, Path(name.removeprefix(CSV_PREFIX)), CsvColumns.parse(csv_columns))
    if csv_columns:
        raise WrongUse(f"--csv-columns has no meaning for {name}: leave it out, or use --dataset csv:FILE.")
    if name == BUNDLED_NAME:
        return load_bundled()
    if name not in PUBLISHED:
        raise WrongUse(f"there is no data set {name!r}: choose one of {', '.join(PUBLISHED)} or csv:FILE.")
    published = PUBLISHED[name]
    if data_root is None or published.found(data_root) is None:
        raise WrongUse(published.missing(data_root))
    return _LOADERS[name](data_root / published.folder)
