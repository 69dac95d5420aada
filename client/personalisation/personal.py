"""What a run's `--personalisation` makes of a global model for one client's users."""

from dataclasses import dataclass

import numpy as np

from client.personalisation.adapters import adapted
from client.personalisation.fine_tuning import fine_tuned
from client.personalisation.gate import hold_out, learnt_alpha, scheduled_alpha
from client.personalisation.own_model import own_state
from client.personalisation.predictor import Predictor
from common.config import Settings
from common.data.user_items import UserItems
from common.models import Arrays, FloatArray, Model, ials_of
from common.models.warm_start import Turn
from common.seeding import generator


@dataclass(frozen=True, eq=False)
class Personal:
    """What one client learnt for one global model; it means nothing with another.

    Attributes:
        kind: The `personalisation` it was learnt by.
        alpha: In [0, 1], the share of the global predictor.
        local_state: Of the local predictor: with the kind "gate" an `Ials`, else of the model that the run trains.
        local_vectors: Its users' vectors, float32, shape (users, length).
    """

    kind: str
    alpha: float
    local_state: Arrays
    local_vectors: FloatArray

    def predictor(self, settings: Settings, model: Model, state: Arrays, global_length: int) -> Predictor:
        """Return what scores the catalogue for the users.

        Args:
            settings: Of the run.
            model: `model_of(settings)`.
            state: The global model that it was learnt for.
            global_length: Of a global user vector.
        """
        inner = _as_shown(model, state)
        local = _local_model(self.kind, settings, inner)
        return Predictor(inner, state, local, self.local_state, self.alpha, global_length)


def personalise(
    settings: Settings, model: Model, state: Arrays, train: UserItems, rounds_played: int
) -> Personal | None:
    """Learn what the run asks for from one client's training items; None where it asks for nothing.

    Args:
        settings: Of the run.
        model: `model_of(settings)`.
        state: The global model.
        train: The client's own users.
        rounds_played: Of the federation, up to this model.
    """
    kind = settings.personalisation
    if kind == "none":
        return None
    inner = _as_shown(model, state)
    local_state = _local_state(settings, inner, state, train)
    local_vectors = _local_model(kind, settings, inner).fold_in(local_state, train)
    return Personal(kind, _alpha(settings, inner, state, train, rounds_played), local_state, local_vectors)


def _as_shown(model: Model, state: Arrays) -> Model:
    """Return the model that users are shown by: what a run trains next is nothing to them yet."""
    phase = model.at(state)
    return phase.first if isinstance(phase, Turn) else phase


def _local_model(kind: str, settings: Settings, inner: Model) -> Model:
    return ials_of(settings) if kind == "gate" else inner


def _local_state(settings: Settings, inner: Model, state: Arrays, train: UserItems) -> Arrays:
    """Return f_local's parameters: the client's own model, or the global one fine-tuned, with adapters, or both."""
    if settings.personalisation == "gate":
        return own_state(settings, train)
    local = state
    if settings.personalisation in ("fine-tune", "all"):
        local = fine_tuned(inner, local, train, settings.personal_steps, settings.personal_rate)
    if settings.personalisation in ("adapters", "all"):
        local = adapted(inner, local, train, settings.personal_steps, settings.personal_prior)
    return local


def _alpha(settings: Settings, inner: Model, state: Arrays, train: UserItems, rounds_played: int) -> float:
    if settings.personalisation not in ("gate", "all"):
        return 0.0
    if settings.personal_gate == "scheduled":
        return scheduled_alpha(rounds_played)
    rest, held_out = hold_out(train, generator(settings.seed, "personal-hold-out"))
    local = _local_model(settings.personalisation, settings, inner)
    local_state = _local_state(settings, inner, state, rest)
    return learnt_alpha(
        (inner, state, inner.fold_in(state, rest)),
        (local, local_state, local.fold_in(local_state, rest)),
        rest,
        held_out,
    )


def beside(global_vectors: FloatArray, personal: Personal) -> FloatArray:
    """Return what `Predictor.scores` wants: both vectors of each user, one beside the other."""
    return np.concatenate((global_vectors, personal.local_vectors), axis=1)
