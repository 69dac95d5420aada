"""Whether a data set has ratings that a model can learn, within the range that everybody knows."""

from common.data.dataset import Dataset
from common.errors import WrongUse


def check_rating_range(dataset: Dataset, least: float, greatest: float) -> None:
    """Return if the data set has ratings and all of them lie in the range.

    Raises:
        WrongUse: all ratings are 1, as they are where the files give none, or one lies outside.
    """
    ratings = dataset.interactions.ratings
    if (ratings == 1).all():
        raise WrongUse(f"{dataset.name} has no ratings for mf to learn: choose --model ials or --model ncf.")
    lowest, highest = float(ratings.min()), float(ratings.max())
    if lowest < least:
        raise WrongUse(f"{dataset.name} has a rating of {lowest:g}, below {least:g}: set --least-rating.")
    if highest > greatest:
        raise WrongUse(f"{dataset.name} has a rating of {highest:g}, above {greatest:g}: set --greatest-rating.")
