import numpy as np
import pytest

from common.errors import Rejected, WrongUse
from common.models.gmf_mlp import GMF, MLP, GmfMlp
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.side_by_side import part_of
from common.models.warm_start import Turn
from tests.common.data.random_data import make_rows

ITEMS = 40
SIZES = {"factors": 5, "tower_factors": 3, "tower_widths": (6, 4)}
NEUMF = Ncf("neumf", **SIZES)
MODEL = GmfMlp(Ncf("gmf", **SIZES), Ncf("mlp", **SIZES), alpha=0.3)
SAMPLED = GmfMlp(SampledNcf(ncf=Ncf("gmf", **SIZES)), SampledNcf(loss="bpr", ncf=Ncf("mlp", **SIZES)))


@pytest.fixture
def histories():
    rng = np.random.default_rng(0)
    return make_rows([{int(item): 1 for item in rng.choice(ITEMS, 6, replace=False)} for _ in range(30)], ITEMS)


def drawn(model=MODEL):
    return model.initial_state(ITEMS, np.random.default_rng(5))


def trained(model, histories, rounds=3):
    state = drawn(model)
    for _ in range(rounds):
        state = model.apply(state, model.fuse([model.local_step(state, histories)[0]], [1.0]))
    return state


@pytest.mark.parametrize("model", [MODEL, SAMPLED])
def test_each_branch_is_what_it_would_be_alone(model, histories):
    """Two clients, three rounds: the branches neither help nor disturb each other."""
    state = drawn(model)
    alone = {branch.prefix: (branch.model, part_of(state, branch.prefix)) for branch in model.branches}
    clients = [histories.take(np.arange(0, 10)), histories.take(np.arange(10, 30))]
    for _ in range(3):
        updates = [model.local_step(state, client)[0] for client in clients]
        for update in updates:
            model.check_update(update, ITEMS)
        state = model.apply(state, model.fuse(updates, [0.5, 1.5]))
        for prefix, (branch, own) in alone.items():
            parts = [branch.local_step(own, client)[0] for client in clients]
            alone[prefix] = (branch, branch.apply(own, branch.fuse(parts, [0.5, 1.5])))
    assert {name.partition("/")[0] + "/" for name in state} == {GMF, MLP}
    for prefix, (_, own) in alone.items():
        for name, array in own.items():
            np.testing.assert_array_equal(state[prefix + name], array)


def test_scores_are_the_mean_of_the_branches_by_alpha(histories):
    state = trained(MODEL, histories)
    vectors = MODEL.fold_in(state, histories)
    assert vectors.shape == (30, 8)
    np.testing.assert_array_equal(MODEL.local_step(state, histories)[1], vectors)
    gmf, mlp = part_of(state, GMF), part_of(state, MLP)
    expected = 0.3 * MODEL.gmf.scores(gmf, MODEL.gmf.fold_in(gmf, histories)) + 0.7 * MODEL.mlp.scores(
        mlp, MODEL.mlp.fold_in(mlp, histories)
    )
    np.testing.assert_allclose(MODEL.scores(state, vectors), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("then", [NEUMF, SampledNcf(ncf=NEUMF)])
def test_for_the_same_users_the_joined_neumf_scores_what_the_branches_score_together(histories, then):
    """Equation 13 of He et al. (2017): alpha on one output layer, 1 - alpha on the other, biases like scores."""
    state = trained(MODEL, histories)
    assert np.any(state["mlp/network"] != drawn()["mlp/network"])
    begun = Turn(MODEL, then, 1.5).begun(state | {"seed": np.array([3], np.uint32)})
    assert set(begun) == set(then.initial_state(ITEMS, np.random.default_rng(0)))
    vectors = MODEL.fold_in(state, histories)
    np.testing.assert_allclose(then.scores(begun, vectors), MODEL.scores(state, vectors), rtol=1e-4, atol=1e-5)


def test_joining_changes_nothing_of_what_it_reads(histories):
    state = trained(MODEL, histories)
    before = {name: array.copy() for name, array in state.items()}
    MODEL.joined(state)
    assert all(np.array_equal(array, before[name]) for name, array in state.items())


def test_no_weight_leaves_the_state_as_it_is(histories):
    state = drawn()
    after = MODEL.apply(state, MODEL.fuse([MODEL.local_step(state, histories)[0]], [0.0]))
    for name, array in state.items():
        np.testing.assert_array_equal(after[name], array)


def test_what_a_branch_rejects_is_rejected_and_so_is_what_belongs_to_none(histories):
    update = MODEL.local_step(drawn(), histories)[0]
    for name in ("gmf/item_factors", "mlp/network"):
        with pytest.raises(Rejected, match="not finite"):
            MODEL.check_update(update | {name: np.full_like(update[name], np.nan)}, ITEMS)
        with pytest.raises(Rejected, match="must hold exactly"):
            MODEL.check_update({one: array for one, array in update.items() if one != name}, ITEMS)
    with pytest.raises(Rejected, match="belongs to neither branch"):
        MODEL.check_update(update | {"network": update["mlp/network"]}, ITEMS)


def test_interactions_are_counted_once(histories):
    assert MODEL.example_count(MODEL.local_step(drawn(), histories)[0]) == len(histories.items)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gmf": NEUMF},
        {"mlp": Ncf("gmf", **SIZES)},
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"alpha": float("nan")},
    ],
)
def test_other_branches_and_an_alpha_out_of_range_are_wrong_use(wrong):
    with pytest.raises(WrongUse):
        GmfMlp(**({"gmf": MODEL.gmf, "mlp": MODEL.mlp} | wrong))


def test_noise_is_refused():
    with pytest.raises(WrongUse, match="not built"):
        MODEL.noisy_form(ITEMS, 1.0)
