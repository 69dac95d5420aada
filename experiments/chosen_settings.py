"""What the table of accuracy trains each data set with, and why: chosen on validation items, never on test items.

The grids are those of iALS after 10 rounds, mean of seeds 1 to 3, for each setting by

    tfedrs experiment federated-reference --dataset filmtrust --clients 5 --rounds 10 --seeds 1 2 3 --factors 64 \\
        --alpha0 0.1 --regularisation 0.012
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.config import Settings

COMMON: dict[str, Any] = {"rounds": 10, "train_on_validation": True, "keep": "last"}
"""Of every data set: the settings are chosen by now, so the validation items are left in training, and none are left to
choose a round by."""


@dataclass(frozen=True)
class Chosen:
    """The settings of one data set.

    Attributes:
        changes: What differs from the defaults of a run and from `COMMON`.
        reason: Why, in a sentence for the page.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    reason: str = "The defaults of a run; nothing was chosen for this data set."


CHOSEN: dict[str, Chosen] = {
    "ml-latest-small-2016": Chosen(
        reason="The defaults of a run, which were chosen on this data set's validation items ([how](measurements.md))."
    ),
    "ml-100k": Chosen(
        {"regularisation": 0.012},
        "Of 16, 32, 64 and 128 factors, alpha0 .1 to 1 and lambda .003 to .025, iALS reaches the highest NDCG@10 on "
        "validation items by 64, .25 and .012: .420, and by the defaults .413.",
    ),
    "filmtrust": Chosen(
        {"alpha0": 0.1, "regularisation": 0.012},
        "Of 8, 16, 32 and 64 factors, alpha0 .025 to 1 and lambda .003 to .05, iALS reaches the highest NDCG@10 on "
        "validation items by 64, .1 and .012: .836, and by the defaults .830.",
    ),
    "ml-1m-ncf": Chosen(
        {"clients": 10, "factors": 128},
        "128 factors and ten clients; alpha0 and lambda as the literature on iALS has them.",
    ),
}


def settings_of(dataset: str, asked: Mapping[str, Any]) -> Settings:
    """Return the settings of a data set.

    Args:
        dataset: Its name.
        asked: What was asked for on the command line, which goes before what was chosen.
    """
    chosen = CHOSEN.get(dataset, Chosen())
    return Settings(**(COMMON | chosen.changes | dict(asked) | {"dataset": dataset}))


def reason_of(dataset: str, asked: Mapping[str, Any]) -> str:
    """Return why these settings: in the words of `CHOSEN`, unless something else was asked for."""
    if settings_of(dataset, asked) == settings_of(dataset, {}):
        return CHOSEN.get(dataset, Chosen()).reason
    return "Settings given on the command line."
