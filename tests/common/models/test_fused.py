import numpy as np
import pytest

from common.errors import Rejected, WrongUse
from common.models.fused import GMF, IALS, Fused
from common.models.ials import Ials
from common.models.ncf import Ncf
from tests.common.data.random_data import make_rows

ITEMS = 40
MODEL = Fused(Ials(factors=4), Ncf(variant="gmf", factors=6), weight=3.0)


@pytest.fixture
def histories():
    rng = np.random.default_rng(0)
    return make_rows([{int(item): 1 for item in rng.choice(ITEMS, 6, replace=False)} for _ in range(30)], ITEMS)


def of(arrays, prefix):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def test_each_branch_is_what_it_would_be_alone(histories):
    """Two clients, three rounds: the branches neither help nor disturb each other."""
    rng = np.random.default_rng(5)
    state = MODEL.initial_state(ITEMS, rng)
    alone = {IALS: (MODEL.ials, of(state, IALS)), GMF: (MODEL.gmf, of(state, GMF))}
    clients = [histories.take(np.arange(0, 10)), histories.take(np.arange(10, 30))]
    for _ in range(3):
        updates = [MODEL.local_step(state, client)[0] for client in clients]
        for update in updates:
            MODEL.check_update(update, ITEMS)
        state = MODEL.apply(state, MODEL.fuse(updates, [0.5, 1.5]))
        for prefix, (model, own) in alone.items():
            parts = [model.local_step(own, client)[0] for client in clients]
            alone[prefix] = (model, model.apply(own, model.fuse(parts, [0.5, 1.5])))
    for prefix, (_, own) in alone.items():
        for name, array in own.items():
            np.testing.assert_array_equal(state[prefix + name], array)


def test_scores_are_the_weighted_sum(histories):
    state = MODEL.initial_state(ITEMS, np.random.default_rng(5))
    vectors = MODEL.fold_in(state, histories)
    assert vectors.shape == (30, 10)
    ials, gmf = of(state, IALS), of(state, GMF)
    expected = 3.0 * MODEL.ials.scores(ials, MODEL.ials.fold_in(ials, histories)) + MODEL.gmf.scores(
        gmf, MODEL.gmf.fold_in(gmf, histories)
    )
    np.testing.assert_allclose(MODEL.scores(state, vectors), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(MODEL.local_step(state, histories)[1], vectors)


def test_no_weight_leaves_the_state_as_it_is(histories):
    state = MODEL.initial_state(ITEMS, np.random.default_rng(5))
    update, _ = MODEL.local_step(state, histories)
    after = MODEL.apply(state, MODEL.fuse([update], [0.0]))
    for name, array in state.items():
        np.testing.assert_array_equal(after[name], array)


def test_what_a_branch_rejects_is_rejected_and_so_is_what_belongs_to_none(histories):
    state = MODEL.initial_state(ITEMS, np.random.default_rng(5))
    update, _ = MODEL.local_step(state, histories)
    for name in ("ials/gram", "gmf/item_factors"):
        with pytest.raises(Rejected, match="not finite"):
            MODEL.check_update(update | {name: np.full_like(update[name], np.nan)}, ITEMS)
        with pytest.raises(Rejected, match="must hold exactly"):
            MODEL.check_update({one: array for one, array in update.items() if one != name}, ITEMS)
    with pytest.raises(Rejected, match="belongs to neither branch"):
        MODEL.check_update(update | {"gram": update["ials/gram"]}, ITEMS)


def test_interactions_are_counted_once(histories):
    state = MODEL.initial_state(ITEMS, np.random.default_rng(5))
    assert MODEL.example_count(MODEL.local_step(state, histories)[0]) == len(histories.items)


def test_only_gmf_is_fused_and_noise_is_refused():
    with pytest.raises(WrongUse, match="variant gmf"):
        Fused(Ials(), Ncf(variant="neumf"))
    with pytest.raises(WrongUse, match="positive and finite"):
        Fused(Ials(), Ncf(variant="gmf"), weight=0.0)
    with pytest.raises(WrongUse, match="not built"):
        MODEL.noisy_form(ITEMS, 1.0)
