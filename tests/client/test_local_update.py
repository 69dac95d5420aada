from dataclasses import replace

import numpy as np

from client.local_update import local_update, noise_generator
from client.store import ParticipantFolder
from common.models import Model, model_of
from tests.small_federation import ITEMS, SETTINGS

GAUSSIAN = replace(SETTINGS, noise="gaussian", clipping_norm=3.0)
ACCOUNT = "0x" + "ab" * 20


def initial(model: Model) -> dict[str, np.ndarray]:
    return model.initial_state(ITEMS, np.random.default_rng(1))


def test_without_noise_the_update_is_the_local_step_and_no_entropy_is_used(folder: ParticipantFolder) -> None:
    model, entropy = model_of(SETTINGS), np.random.default_rng(1)
    update, vectors = local_update(SETTINGS, model, initial(model), folder.part.train, entropy)
    expected, expected_vectors = model.local_step(initial(model), folder.part.train)
    assert all(np.array_equal(update[name], array) for name, array in expected.items())
    assert np.array_equal(vectors, expected_vectors)
    assert entropy.random() == np.random.default_rng(1).random()


def test_user_vectors_are_those_without_noise(folder: ParticipantFolder) -> None:
    model = model_of(GAUSSIAN)
    _, vectors = local_update(GAUSSIAN, model, initial(model), folder.part.train, np.random.default_rng(1))
    assert np.array_equal(vectors, model.fold_in(initial(model), folder.part.train))


def test_noise_is_new_for_every_update() -> None:
    first, second = (noise_generator(GAUSSIAN, ACCOUNT, 1).normal(size=4) for _ in range(2))
    assert not np.any(first == second)


def test_insecure_noise_repeats_for_one_account_and_round_only() -> None:
    insecure = replace(GAUSSIAN, insecure_deterministic_noise=True)

    def drawn(account: str, server_round: int, seed: int = 1) -> float:
        return float(noise_generator(replace(insecure, seed=seed), account, server_round).normal())

    assert drawn(ACCOUNT, 1) == drawn(ACCOUNT.upper().replace("X", "x"), 1)
    assert len({drawn(ACCOUNT, 1), drawn(ACCOUNT, 2), drawn("0x" + "cd" * 20, 1), drawn(ACCOUNT, 1, seed=2)}) == 4
