"""W_0 of a run: drawn from the seed, and trained on the public histories of the probe pool where the run asks for it.

Coordinator and verifier make it by the same function. The pairs that peers score with are held out of the histories,
and no validation or test item has ever been in them (`common/data/probe.py`).
"""

from collections.abc import Sequence

from common.config import Settings
from common.data.probe import ProbeShard, public_histories
from common.models import Arrays, model_of
from common.models.pretraining import pretrained
from common.seeding import generator


def initial_model(settings: Settings, item_count: int, shards: Sequence[ProbeShard]) -> Arrays:
    """Return W_0.

    Args:
        settings: Of the run.
        item_count: Size of the catalogue.
        shards: The probe pool, in the order of federation.json; not looked at without `pretraining_rounds`.
    """
    model = model_of(settings)
    drawn = model.initial_state(item_count, generator(settings.seed, "initial-model"))
    if not settings.pretraining_rounds:
        return drawn
    return pretrained(model, drawn, public_histories(shards), settings.pretraining_rounds)
