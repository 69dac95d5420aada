"""DP-SGD as a client's local training: noisy steps that hide each interaction [Abadi et al. (2016), Algorithm 1].

    each step:  draw a Poisson sample of the interactions -> one clipped gradient each -> sum -> noise -> move
    at the end: forget the users' vectors, send how far the shared part moved

An interaction is one example. It comes with `negatives` items that are drawn from the whole catalogue, all alike and
without a look at any other interaction, and has the loss of a softmax over them [Jean et al. (2015), "On using very
large target vocabulary", section 3]: with i_0 the item taken and i_1 .. i_n those drawn,

    l = log sum_j exp(s_uj) - s_u0

What one interaction can change is its gradient alone: one vector over everything that moves (its user's vector, the
vectors and biases of 1 + n items, the network), shortened to `clipping_norm`. Users' vectors start from zero each round
and move by the noisy steps alone, so they carry no interaction into the gradients of another but through noise. Noise
is added to every coordinate, whether the sample touched it or not. So a round is one `DpSgdRelease`, whatever its
update holds and whoever sees it: what leaves is computed from noisy sums and public values.

Not covered, as for every epsilon here: sums, norms and the noise are floating-point numbers, not real ones; and how
long a step takes, which tells the size of its sample.
"""

from dataclasses import dataclass

import numpy as np

from common.accounting import DpSgdRelease
from common.data.user_items import UserItems
from common.errors import CheckFailed, WrongUse
from common.models.model import Arrays
from common.models.ncf_averaged import SHARED, AveragedNcf


@dataclass(frozen=True)
class DpSgdPlan:
    """One client's steps of one round. No value may follow from the client's data.

    The defaults were chosen on the validation items of the bundled data set, for five clients of some 20,000
    interactions, five rounds and an epsilon of 8: see `experiments/dp_sgd_reference.py`.

    Raises:
        WrongUse: a value is out of range.
    """

    noise_multiplier: float = 3.3
    """sigma / C, no unit: noise of standard deviation sigma on every coordinate of every step's sum."""
    clipping_norm: float = 1.25
    """C: the L2 bound on one interaction's gradient, over all parameters together."""
    sample_rate: float = 1.0
    """Chance that an interaction is in a step's sample, in (0, 1]. At 1 everything is, and the noise alone hides."""
    steps: int = 6
    """Noisy steps in a round. In the first, only users' vectors and biases move; see `NoisyTraining.step`."""
    batch_size: float = 20_000.0
    """What a noisy sum is divided by: about how many interactions a sample has, by public knowledge, not by a count."""
    negatives: int = 16
    """Items drawn for each interaction."""
    user_learning_rate: float = 0.05
    """Of users' vectors. On the noisy sum over the sample rate, because a user has few interactions of a batch."""
    item_learning_rate: float = 600.0
    """Of items' vectors, on the noisy sum over the batch size."""
    bias_learning_rate: float = 400.0
    """Of items' biases, on the noisy sum over the batch size."""
    network_learning_rate: float = 1.0
    """Of the network, on the noisy sum over the batch size."""
    longest_user_vector: float = 2.0
    """To this length a user's vector is shortened after each step, so that it pulls items no further than others do."""

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 100_000:
            raise WrongUse(f"DP-SGD takes 1 to 100000 steps a round, not {self.steps}.")
        if not 1 <= self.negatives <= 4096:
            raise WrongUse(f"DP-SGD draws 1 to 4096 negatives for an interaction, not {self.negatives}.")
        positive = ("clipping_norm", "batch_size", "user_learning_rate", "item_learning_rate", "bias_learning_rate")
        for label in (*positive, "network_learning_rate", "longest_user_vector"):
            if not 0 < getattr(self, label) < float("inf"):
                raise WrongUse(f"{label} must be positive and finite, not {getattr(self, label)}.")
        _ = self.release  # which has limits of its own

    @property
    def release(self) -> DpSgdRelease:
        """What a round releases about an interaction; rounds compose by `repeated`."""
        return DpSgdRelease(self.noise_multiplier, self.sample_rate, self.steps)


def dp_sgd_update(
    model: AveragedNcf, state: Arrays, train: UserItems, plan: DpSgdPlan, entropy: np.random.Generator
) -> Arrays:
    """Train on one client's interactions by noisy steps and return how far the shared part moved.

    Args:
        model: Says how scores are computed and how long an update may be.
        state: The public model. Not changed.
        train: The client's interactions. Users without any are allowed, and so is nobody.
        plan: How to step.
        entropy: `operating_system_generator()`; anything else voids every epsilon. Draws samples, negatives and noise.

    Returns:
        An update of the model, shortened to its `largest_move`, which as a function of noisy values costs no privacy.

    Guarantees:
        The update is a function of public values and of noisy sums of clipped gradients (see the module).
        The same generator state gives the same bytes on one machine.

    Raises:
        CheckFailed: the model holds a number that is not finite, or the steps were so long that one came out.
    """
    if not all(np.isfinite(state[name]).all() for name in SHARED):
        raise CheckFailed("The model of the round holds a number that is not finite: leave this federation.")
    from client.dp_sgd_network import NoisyTraining  # noqa: PLC0415  # brings torch and Opacus, seconds to import

    training = NoisyTraining(model.ncf, state, train.user_count, plan, entropy)
    users, items = train.users.astype(np.int64), train.items.astype(np.int64)
    for _ in range(plan.steps):
        drawn = np.flatnonzero(entropy.random(len(items)) < plan.sample_rate)
        negatives = entropy.integers(0, train.item_count, (len(drawn), plan.negatives))
        training.step(users[drawn], np.concatenate((items[drawn, None], negatives), axis=1))
    after = training.shared()
    return model.shortened({name: after[name] - state[name] for name in SHARED})
