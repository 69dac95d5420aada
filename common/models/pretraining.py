"""W_0 from public data: the model's own rounds on what everybody may see, before the first round of the federation.

Wang et al. (2024), 3.2: the initial model is drawn at random, or pre-trained on a small public dataset. Whoever has the
public data comes to the same W_0, so nobody has to be believed.
"""

from common.data.user_items import UserItems
from common.models.model import Arrays, Model

LEARNT = ("item_factors", "item_bias", "mean", "network")
"""Names of the arrays that a model scores by, in whichever branch. All others belong to the server's optimiser, or say
where a run stands: they begin with the federation, because a handful of users point another way than all together.
Kept, they cost up to .03 NDCG@10 in the first round and .045 in later ones (docs/measurements.md)."""


def pretrained(model: Model, drawn: Arrays, public: UserItems, rounds: int) -> Arrays:
    """Return W_0: what `rounds` rounds make of the drawn state, were the public data the only client's.

    A model that changes on the way, such as a warm start, is trained as the one that it starts with; the rounds do not
    count among those of a phase.

    Args:
        model: Of the run.
        drawn: By its `initial_state`; it is returned as it is where there are no rounds.
        public: Public histories. Nothing that anybody is measured or scored by may be among them.
        rounds: How many, from 0.
    """
    phase, state = model.at(drawn), drawn
    for _ in range(rounds):
        update, _ = phase.local_step(state, public)
        state = state | phase.apply(state, phase.fuse([update], [1.0]))
    return {name: (state if name.rpartition("/")[2] in LEARNT else drawn)[name] for name in drawn}
