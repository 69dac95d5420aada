"""What federated rounds by arrays alone would send: the bytes of their updates and models, as they are.

Nothing is compressed, because these methods' authors compress nothing. Messages around the bytes are left out.
"""

from statistics import mean

from common.models import Model
from common.update import Packed, encode_model, encode_update
from experiments.baselines.task import Task


def array_bytes(model: Model, task: Task) -> dict[str, float]:
    """Take every client's first step, and return "bytes_up" and "bytes_down" for one client and round.

    Later rounds' updates have the same rows, and so the same length, as long as the model has one phase.
    """
    items = task.split.train.item_count
    state = model.initial_state(items, task.initial_rng())
    updates = [encode_update(Packed(model.name, items, model.local_step(state, own)[0])) for own in task.clients]
    return {
        "bytes_up": mean(map(len, updates)),
        "bytes_down": len(encode_model(Packed(model.name, items, state))),
    }
