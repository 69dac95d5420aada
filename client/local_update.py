"""What a client computes from its data and may send: the local step, and the noise that the run asks for."""

import numpy as np

from client.dp_sgd import DpSgdPlan, dp_sgd_update
from client.privacy import noisy_release, operating_system_generator
from common.config import Settings
from common.data.user_items import UserItems
from common.models import Arrays, FloatArray, Model
from common.models.ncf_averaged import AveragedNcf
from common.seeding import generator


def local_update(
    settings: Settings,
    model: Model,
    state: Arrays,
    train: UserItems,
    entropy: np.random.Generator,
    fitted: FloatArray | None = None,
) -> tuple[Arrays, FloatArray]:
    """Train on one client's users and make the update ready to leave.

    Args:
        settings: Of the run; they say which noise there is.
        model: `model_of(settings)`.
        state: The global model.
        train: The client's own users.
        entropy: `noise_generator`; drawn from only where there is noise.
        fitted: What `model.fold_in(state, train)` gives, where it was computed already.

    Returns:
        The update, and the users' vectors, which stay here.

    Raises:
        CheckFailed: the update or the noise holds a number that is not finite.
    """
    if isinstance(model, AveragedNcf):
        # The users' vectors of the noisy steps are gone; those for the users' own screens are fitted without noise.
        update = dp_sgd_update(model, state, train, plan_of(settings), entropy)
        return update, model.fold_in(state, train) if fitted is None else fitted
    phase = model.at(state)
    if fitted is None:
        update, user_vectors = phase.local_step(state, train)
    else:
        update, user_vectors = phase.update_of(state, train, fitted), fitted
    if settings.noise == "gaussian":
        form = phase.noisy_form(train.item_count, settings.clipping_norm)
        update = noisy_release(
            update, form, train.item_count, settings.clipping_norm, settings.noise_multiplier, entropy
        )
    return update, user_vectors


def plan_of(settings: Settings) -> DpSgdPlan:
    """Return how a client of this run steps under DP-SGD."""
    return DpSgdPlan(
        noise_multiplier=settings.noise_multiplier,
        clipping_norm=settings.clipping_norm,
        sample_rate=settings.sample_rate,
        steps=settings.local_steps,
        batch_size=settings.batch_size,
    )


def noise_generator(settings: Settings, account: str, server_round: int) -> np.random.Generator:
    """Make the generator of one update's noise; a new one for every update.

    With `insecure_deterministic_noise` it follows from the seed, the account and the round, so that runs repeat.
    """
    if settings.insecure_deterministic_noise:
        return generator(settings.seed, f"insecure-noise/{account.lower()}", server_round)
    return operating_system_generator()
