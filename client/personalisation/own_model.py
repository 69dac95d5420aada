"""The client's own iALS, trained on its own users and nobody else's: the local predictor of the gate.

It is iALS whatever the federation trains, because nothing else that we have learns as much from a few dozen users in a
second. As it owes nothing to the federation, it is what makes a gate worth having where a client's users are unlike
the others, and where the global model is still poor, or was spoilt.
"""

from client.personalisation.local_steps import local_round
from common.config import Settings
from common.data.user_items import UserItems
from common.models import Arrays, ials_of
from common.seeding import generator


def own_state(settings: Settings, train: UserItems) -> Arrays:
    """Train it anew, for `personal_rounds` rounds; the same users give the same bytes on one machine."""
    model = ials_of(settings)
    state = model.initial_state(train.item_count, generator(settings.seed, "personal-own-model"))
    for _ in range(settings.personal_rounds):
        state = local_round(model, state, train)
    return state
