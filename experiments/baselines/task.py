"""What every method of a comparison is given: the same users, items, split and settings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.config import Settings
from common.data.partition import Parts
from common.data.probe import ProbeShard
from common.data.splits import Split, leave_one_out
from common.data.user_items import UserItems
from common.models import Model, model_of
from common.seeding import generator
from launch.preparation import prepare_data


@dataclass(frozen=True, eq=False)
class Task:
    """One data set, one seed.

    Attributes:
        settings: Of the federation that methods are compared with.
        split: What is trained on and measured.
        tuning: The same test items, with validation items held out even where `split` trains on them: the only thing
            that settings may be chosen on, and by its validation items alone.
        parts: The users of each client.
        probe: The public probe pool, for methods in which others judge an update.
        without_probe: `split.train` without the probe pairs.
    """

    settings: Settings
    split: Split
    tuning: Split
    parts: Parts
    probe: tuple[ProbeShard, ...]
    without_probe: UserItems

    @classmethod
    def of(cls, settings: Settings, data_root: Path | None) -> "Task":
        """Load and cut the data as a run of these settings does.

        Raises:
            WrongUse: the data are missing, malformed or too few for the settings.
        """
        data = prepare_data(settings, data_root)
        tuning = leave_one_out(data.dataset, settings.seed) if settings.train_on_validation else data.split
        return cls(settings, data.split, tuning, data.parts, data.probe, data.train)

    @property
    def model(self) -> Model:
        """The model of the federation."""
        return model_of(self.settings)

    @property
    def clients(self) -> list[UserItems]:
        """The training items of each client, probe pairs included, for methods that ask no peers."""
        return [self.split.train.take(users) for users in self.parts]

    def initial_rng(self) -> np.random.Generator:
        """Return the generator of W_0, from its beginning: methods that share a model share its start."""
        return generator(self.settings.seed, "initial-model")
