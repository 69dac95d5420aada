import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.data.load import load_dataset
from common.data.user_items import UserItems
from common.errors import Rejected
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf

ITEMS = 12
NCF = Ncf(factors=3, tower_factors=2, tower_widths=(3,))
MODELS = {loss: SampledNcf(loss=loss, ncf=NCF) for loss in ("bce", "bpr")}
SIZE = NCF.layout.size
NAMES = ("row_ids", "item_factors", "item_bias", "counts", "network")


def honest_update(loss="bce"):
    users = UserItems.from_pairs(
        np.array([0, 0, 0, 1, 1, 2]),
        np.array([0, 3, 11, 3, 4, 3]),
        np.ones(6, np.float32),
        np.zeros(6),
        user_count=3,
        item_count=ITEMS,
    )
    model = MODELS[loss]
    return model.local_step(model.initial_state(ITEMS, np.random.default_rng(0)), users)[0]


ROWS = len(honest_update()["row_ids"])


def with_entry(name, index, value, loss="bce"):
    update = honest_update(loss)
    update[name][index] = value
    return update


def replaced(**arrays):
    return honest_update() | arrays


@pytest.mark.parametrize("loss", MODELS)
def test_an_honest_update_passes_and_tells_its_interactions(loss):
    MODELS[loss].check_update(honest_update(loss), ITEMS)
    assert MODELS[loss].example_count(honest_update(loss)) == 6


HOSTILE = {
    "nothing": ({}, "exactly the arrays"),
    "an extra array": (replaced(extra=np.zeros(1)), "exactly the arrays"),
    "a list for an array": (replaced(item_bias=[0.0] * ROWS), "item_bias has not"),
    "none for the row ids": (replaced(row_ids=None), "has not"),
    "objects": (replaced(counts=np.zeros(ROWS, object)), "counts has not"),
    "float64 rows": (replaced(item_factors=np.zeros((ROWS, 5))), "item_factors has not"),
    "a column too few": (replaced(item_factors=np.zeros((ROWS, 4), np.float32)), "item_factors has not"),
    "a row too many": (replaced(item_factors=np.zeros((ROWS + 1, 5), np.float32)), "item_factors has not"),
    "a network too short": (replaced(network=np.zeros(SIZE - 1, np.float32)), "network has not"),
    "signed counts": (replaced(counts=np.ones(ROWS, np.int32)), "counts has not"),
    "a masked array": (replaced(counts=np.ma.array(honest_update()["counts"])), "counts has not"),
    "rows that do not ascend": (with_entry("row_ids", 1, 0), "ascending"),
    "a row outside the catalogue": (with_entry("row_ids", ROWS - 1, ITEMS), "outside the catalogue"),
    "a count of zero": (with_entry("counts", 1, 0), "count is zero"),
    "a count that makes no whole interaction": (
        with_entry("counts", 1, honest_update()["counts"][1] + 1),
        "whole interactions",
    ),
    "a NaN bias": (with_entry("item_bias", 2, np.nan), "bias gradient is not finite"),
    "an infinite bias": (with_entry("item_bias", 2, -np.inf), "bias gradient is not finite"),
    "a bias beyond any error": (with_entry("item_bias", 3, -1.5), "larger than an error"),
    "a NaN row": (with_entry("item_factors", (0, 0), np.nan), "item's gradient"),
    "an infinite row": (with_entry("item_factors", (5, 1), np.inf), "item's gradient"),
    "a row whose square overflows": (with_entry("item_factors", (5, 1), 3e38), "item's gradient"),
    "one boosted row": (with_entry("item_factors", (3, 0), 1e4), "item's gradient"),
    "a NaN in the network": (with_entry("network", 0, np.nan), "network's gradient"),
    "a boosted network": (with_entry("network", 0, 1e3), "network's gradient"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_update_is_rejected_with_its_reason(case):
    update, reason = HOSTILE[case]
    with pytest.raises(Rejected, match=reason):
        MODELS["bce"].check_update(update, ITEMS)


def test_comparisons_that_only_push_up_are_rejected():
    with pytest.raises(Rejected, match="add up to zero"):
        MODELS["bpr"].check_update(with_entry("item_bias", slice(None), -0.5, "bpr"), ITEMS)


EXTREMES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-40, 1e30, 3e38, np.inf, -np.inf, np.nan])
ANY_ARRAY = st.one_of(
    npst.arrays(
        st.one_of(npst.scalar_dtypes(), npst.byte_string_dtypes(), npst.nested_dtypes()),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.none(),
    st.integers(),
)
FLOATS = st.one_of(EXTREMES, st.floats(width=32))
RIGHT_SHAPES = st.fixed_dictionaries(
    {
        "row_ids": npst.arrays(np.uint32, ROWS),
        "item_factors": npst.arrays(np.float32, (ROWS, 5), elements=FLOATS),
        "item_bias": npst.arrays(np.float32, ROWS, elements=FLOATS),
        "counts": npst.arrays(np.uint32, ROWS),
        "network": npst.arrays(np.float32, SIZE, elements=FLOATS),
    }
)


@given(
    loss=st.sampled_from(sorted(MODELS)),
    names=st.sets(st.sampled_from([*NAMES, "extra"])),
    arrays=st.lists(ANY_ARRAY, min_size=6, max_size=6),
    plausible=RIGHT_SHAPES,
    kept=st.sets(st.sampled_from(NAMES)),
)
@settings(max_examples=150, deadline=None)
def test_random_arrays_never_raise_anything_but_rejected(loss, names, arrays, plausible, kept):
    model, honest = MODELS[loss], honest_update(loss)
    strange = dict(zip(sorted(names), arrays, strict=False))
    unusual = plausible | {name: honest[name] for name in kept}
    for update in (strange, honest | strange, unusual):
        try:
            model.check_update(update, ITEMS)
        except Rejected:
            continue
        state = model.initial_state(ITEMS, np.random.default_rng(0))
        applied = model.apply(state, model.fuse([update], [10.0]))
        assert all(np.isfinite(array).all() for array in applied.values())


@pytest.mark.parametrize("loss", MODELS)
def test_honest_clients_of_any_size_pass_on_real_data(loss):
    interactions = load_dataset("ml-latest-small-2016", None).interactions
    model = SampledNcf(loss=loss, ncf=Ncf(factors=8, tower_factors=4, tower_widths=(8, 4), learning_rate=0.3))
    state = model.initial_state(interactions.item_count, np.random.default_rng(1))
    users = np.arange(120)
    for _ in range(3):
        for clients in (1, 5):
            groups = np.array_split(users, clients)
            updates = [model.local_step(state, interactions.take(group))[0] for group in groups]
            for update in updates:
                model.check_update(update, interactions.item_count)
        for user in range(5):
            model.check_update(model.local_step(state, interactions.take(users[[user]]))[0], interactions.item_count)
        state = model.apply(state, model.fuse(updates, [1.0] * len(updates)))
