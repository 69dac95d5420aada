"""From a data set's name to the data set."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from common.data.dataset import Dataset
from common.data.filmtrust import load_filmtrust
from common.data.ml_1m import load_ml_1m, load_ml_1m_ncf
from common.data.ml_100k import load_ml_100k
from common.data.movielens_csv import BUNDLED_NAME, load_bundled, load_movielens_csv
from common.data.named_csv import CsvColumns, load_named_csv
from common.errors import WrongUse

_LOADERS: dict[str, tuple[str, Callable[[Path], Dataset]]] = {
    "ml-latest-small": ("ml-latest-small", partial(load_movielens_csv, "ml-latest-small")),
    "ml-1m": ("ml-1m", load_ml_1m),
    "ml-1m-ncf": ("ml-1m", load_ml_1m_ncf),
    "ml-100k": ("ml-100k", load_ml_100k),
    "filmtrust": ("filmtrust", load_filmtrust),
}
DATASET_NAMES = (BUNDLED_NAME, *_LOADERS)
_CSV_PREFIX = "csv:"


def load_dataset(name: str, data_root: Path | None, csv_columns: str = "") -> Dataset:
    """Load a data set.

    Args:
        name: One of `DATASET_NAMES`, or "csv:PATH" for any CSV with a header.
        data_root: The folder with one folder for each data set (TFEDRS_DATA); the bundled set and csv: need none.
        csv_columns: For csv: only, such as "user=userId,item=movieId,rating=rating,timestamp=timestamp".

    Raises:
        WrongUse: the name is unknown, or a file is missing or malformed.
    """
    if name.startswith(_CSV_PREFIX):
        if not csv_columns:
            raise WrongUse("csv: needs the names of its columns: add --csv-columns user=...,item=....")
        return load_named_csv(name, Path(name.removeprefix(_CSV_PREFIX)), CsvColumns.parse(csv_columns))
    if csv_columns:
        raise WrongUse(f"--csv-columns has no meaning for {name}: leave it out, or use --dataset csv:FILE.")
    if name == BUNDLED_NAME:
        return load_bundled()
    if name not in _LOADERS:
        raise WrongUse(f"there is no data set {name!r}: choose one of {', '.join(DATASET_NAMES)} or csv:FILE.")
    if data_root is None:
        raise WrongUse(f"{name} does not come with the code: set TFEDRS_DATA to the folder that holds it.")
    folder, load = _LOADERS[name]
    return load(data_root / folder)
