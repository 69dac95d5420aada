"""One suite for every model: what an update with noise must be, and that honest ones are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.privacy import noisy_release
from common.data.user_items import UserItems
from common.errors import Rejected
from common.models import Arrays, Ials, Model
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.noisy_checks import NoisyRules

ITEMS, CLIPPING_NORM, MULTIPLIER = 30, 2.0, 0.5
MODELS: dict[str, Model] = {
    "ials": Ials(factors=4),
    "gmf": Ncf(variant="gmf", factors=4),
    "neumf": Ncf(factors=4, tower_factors=3, tower_widths=(3, 2)),
    "gmf by bce": SampledNcf(ncf=Ncf(variant="gmf", factors=4)),
    "neumf by bpr": SampledNcf(loss="bpr", ncf=Ncf(factors=4, tower_factors=3, tower_widths=(3, 2))),
}


def users() -> UserItems:
    rng = np.random.default_rng(3)
    pairs = np.unique(rng.integers(0, [6, ITEMS], (60, 2)), axis=0)
    ones = np.ones(len(pairs), np.float32)
    return UserItems.from_pairs(
        pairs[:, 0], pairs[:, 1], ones, np.zeros(len(pairs), np.int64), user_count=6, item_count=ITEMS
    )


def released(model: Model, seed: int = 0, norm: float = CLIPPING_NORM, multiplier: float = MULTIPLIER) -> Arrays:
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    update, _ = model.local_step(state, users())
    form = model.noisy_form(ITEMS, norm)
    return noisy_release(update, form, ITEMS, norm, multiplier, np.random.default_rng(seed))


def rules(model: Model) -> NoisyRules:
    return NoisyRules(model.noisy_form(ITEMS, CLIPPING_NORM), CLIPPING_NORM, MULTIPLIER)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(MODELS)), st.integers(0, 2**32), st.floats(1e-3, 1e3), st.floats(1e-3, 1e2))
def test_honest_updates_pass(name: str, seed: int, norm: float, multiplier: float) -> None:
    model = MODELS[name]
    update = released(model, seed, norm, multiplier)
    NoisyRules(model.noisy_form(ITEMS, norm), norm, multiplier).check(update)


def test_noisy_updates_fuse_and_apply_to_finite_states(model: Model) -> None:
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    for seed in range(4):
        updates = [released(model, 2 * seed + one, multiplier=5.0) for one in range(2)]
        state = model.apply(state, model.fuse(updates, [1.0, 1.0]))
        assert all(np.all(np.isfinite(array)) for array in state.values())


def test_an_update_without_noise_is_refused(model: Model) -> None:
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    with pytest.raises(Rejected):
        rules(model).check(model.local_step(state, users())[0])


def test_a_missing_or_an_extra_array_is_refused(model: Model) -> None:
    update = released(model)
    with pytest.raises(Rejected, match="exactly the arrays"):
        rules(model).check(update | {"more": np.zeros(1)})
    for name in update:
        with pytest.raises(Rejected, match="exactly the arrays"):
            rules(model).check({other: array for other, array in update.items() if other != name})


def test_another_number_in_place_of_a_public_one_is_refused(model: Model) -> None:
    for name, value in model.noisy_form(ITEMS, CLIPPING_NORM).public.items():
        changed = value.copy()
        changed[-1] += 1
        with pytest.raises(Rejected, match=f"{name} is not the public value"):
            rules(model).check(released(model) | {name: changed})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_entry_that_is_not_finite_is_refused(model: Model, bad: float) -> None:
    for name in model.noisy_form(ITEMS, CLIPPING_NORM).noisy:
        update = released(model)
        if update[name].size:
            update[name].flat[0] = bad
            with pytest.raises(Rejected, match="not finite"):
                rules(model).check(update)


def test_an_update_longer_than_clip_and_noise_allow_is_refused(model: Model) -> None:
    update = released(model)
    longer = {name: 3 * update[name] for name in model.noisy_form(ITEMS, CLIPPING_NORM).noisy}
    with pytest.raises(Rejected, match="longer than"):
        rules(model).check(update | longer)


def test_a_matrix_that_is_no_sum_of_squares_is_refused() -> None:
    model = MODELS["ials"]
    gram = released(model)["gram"]
    for broken, reason in (
        (gram - 1.01 * np.linalg.eigvalsh(gram)[-1] * np.eye(4), "gram is not"),
        (gram + 0.1 * np.eye(4)[[1, 2, 3, 0]], "gram is not symmetric"),
    ):
        with pytest.raises(Rejected, match=reason):
            rules(model).check(released(model) | {"gram": broken})


def test_nothing_but_noise_differs_between_clients_of_different_data(model: Model) -> None:
    """Everything that is not noisy is the same for a client with other users, however many."""
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    form = model.noisy_form(ITEMS, CLIPPING_NORM)
    sent = [
        noisy_release(
            model.local_step(state, part)[0], form, ITEMS, CLIPPING_NORM, MULTIPLIER, np.random.default_rng(seed)
        )
        for seed, part in enumerate((users(), users().take(np.array([2]))))
    ]
    assert [list(one) for one in sent] == [list(sent[0])] * 2
    for name in form.public:
        assert sent[0][name].tobytes() == sent[1][name].tobytes()
