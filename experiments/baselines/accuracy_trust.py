"""Trust by accuracy, as general-purpose trustworthy federated learning has it: what T-BFL stands for in T-FedRS, 4.1.

The T-FedRS paper calls T-BFL "blockchain-based reputation and incentive management" for federated learning in general
and gives no formula. Here a client's accuracy in a round is the hit ratio at 10 of the model after its update alone, on
the public probe pool; trust is that accuracy smoothed, S_t = gamma S_(t-1) + (1 - gamma) a_t; and clients weigh in
proportion to trust.

We differ from T-BFL in having one honest validator, no chain, no consensus and no payment: only the weights matter
here. From the federation it differs in that accuracy is absolute, and not a gain over the model that was sent: an
update that does nothing keeps the accuracy of the last model, and a harmful one loses only what it costs.
"""

from collections.abc import Sequence

import numpy as np

from common.data.probe import ProbeShard
from common.errors import WrongUse
from common.models import Arrays, Model
from common.probe_scoring import shard_metrics, state_with_update_alone
from experiments.baselines.array_rounds import Measured, measure, state_after
from experiments.baselines.task import Task


class AccuracyTrust:
    """The server, which remembers its clients' trust from round to round.

    Attributes:
        trust: S of each client, in the order of the updates. Shape (clients,), in [0, 1].
    """

    def __init__(self, probe: Sequence[ProbeShard], smoothing: float) -> None:
        self.probe = probe
        self.smoothing = smoothing
        self.trust = np.zeros(0)

    def __call__(self, model: Model, state: Arrays, updates: Sequence[Arrays]) -> Arrays:
        """Judge every update, then fuse by trust; where nobody has any, all weigh the same."""
        accuracy = np.array([self._accuracy(model, state, update, len(updates)) for update in updates])
        before = self.trust if self.trust.size else np.zeros(len(updates))
        self.trust = self.smoothing * before + (1 - self.smoothing) * accuracy
        total = float(self.trust.sum())
        shares = len(updates) * self.trust / total if total > 0 else np.ones(len(updates))
        return model.apply(state, model.fuse(updates, shares.tolist()))

    def _accuracy(self, model: Model, state: Arrays, update: Arrays, clients: int) -> float:
        alone = state_with_update_alone(model, state, update, clients)
        judged = model.at(alone)
        return float(np.mean([shard_metrics(judged, alone, shard).second for shard in self.probe]))


def accuracy_trust(task: Task) -> Measured:
    """Train the federation's own model on what its clients train on, that is without the probe pairs.

    Raises:
        WrongUse: the model predicts ratings, which have errors and no hits.
    """
    model = task.model
    if model.rating_range is not None:
        raise WrongUse(
            "trust by accuracy counts hits, which a model of ratings does not have: use --model ials or ncf."
        )
    clients = [task.without_probe.take(users) for users in task.parts]
    server = AccuracyTrust(task.probe, task.settings.smoothing)
    state = state_after(task.settings.rounds, model, clients, task.initial_rng(), server)
    return measure(model, state, model.fold_in(state, task.without_probe), task.split)
