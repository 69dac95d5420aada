import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.data.load import load_dataset
from common.data.user_items import UserItems
from common.errors import Rejected
from common.models.ncf import Ncf

ITEMS = 12
MODEL = Ncf(factors=3, tower_factors=2, tower_widths=(3,))
SIZE = MODEL.layout.size
NAMES = ("item_factors", "item_bias", "network", "exposure", "users")


def honest_update():
    users = UserItems.from_pairs(
        np.array([0, 0, 0, 1, 1, 2]),
        np.array([0, 3, 11, 3, 4, 3]),
        np.ones(6, np.float32),
        np.zeros(6),
        user_count=3,
        item_count=ITEMS,
    )
    rng = np.random.default_rng(0)
    return MODEL.local_step(MODEL.initial_state(ITEMS, rng), users)[0]


def with_entry(name, index, value):
    update = honest_update()
    update[name][index] = value
    return update


def replaced(**arrays):
    return honest_update() | arrays


def test_an_honest_update_passes():
    MODEL.check_update(honest_update(), ITEMS)


HOSTILE = {
    "nothing": ({}, "exactly the arrays"),
    "an extra array": (replaced(extra=np.zeros(1)), "exactly the arrays"),
    "a list for an array": (replaced(item_bias=[0.0] * ITEMS), "item_bias has not"),
    "none for the network": (replaced(network=None), "network has not"),
    "objects": (replaced(exposure=np.zeros(ITEMS, object)), "exposure has not"),
    "float64 rows": (replaced(item_factors=np.zeros((ITEMS, 5))), "item_factors has not"),
    "big-endian rows": (replaced(item_factors=np.zeros((ITEMS, 5), ">f4")), "item_factors has not"),
    "signed exposures": (replaced(exposure=np.ones(ITEMS, np.int32)), "exposure has not"),
    "a column too few": (replaced(item_factors=np.zeros((ITEMS, 4), np.float32)), "item_factors has not"),
    "a row too many": (replaced(item_factors=np.zeros((ITEMS + 1, 5), np.float32)), "item_factors has not"),
    "a network too short": (replaced(network=np.zeros(SIZE - 1, np.float32)), "network has not"),
    "two user counts": (replaced(users=np.array([3, 3], np.uint32)), "users has not"),
    "a masked array": (replaced(users=np.ma.array([3], np.uint32)), "users has not"),
    "no users": (replaced(users=np.array([0], np.uint32)), "no users"),
    "an exposure beyond the users": (with_entry("exposure", 1, 4), "greater than the number"),
    "a NaN bias": (with_entry("item_bias", 2, np.nan), "bias gradient is not finite"),
    "an infinite bias": (with_entry("item_bias", 2, -np.inf), "bias gradient is not finite"),
    "a bias that expects less than nothing": (with_entry("item_bias", 3, -1.5), "smaller or larger"),
    "a bias that expects more than there is": (with_entry("item_bias", 3, 3e38), "smaller or larger"),
    "biases that do not add up": (replaced(item_bias=np.zeros(ITEMS, np.float32) - 0.1), "smaller or larger|add up"),
    "one bias too many": (with_entry("item_bias", 3, 0.3), "add up"),
    "a NaN row": (with_entry("item_factors", (0, 0), np.nan), "item's gradient"),
    "an infinite row": (with_entry("item_factors", (5, 1), np.inf), "item's gradient"),
    "a row whose square overflows": (with_entry("item_factors", (5, 1), 3e38), "item's gradient"),
    "one boosted row": (with_entry("item_factors", (3, 0), 1e4), "item's gradient"),
    "a NaN in the network": (with_entry("network", 0, np.nan), "network's gradient"),
    "a network that overflows": (with_entry("network", 0, 3e38), "network's gradient"),
    "a boosted network": (with_entry("network", 0, 1e3), "network's gradient"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_update_is_rejected_with_its_reason(case):
    update, reason = HOSTILE[case]
    with pytest.raises(Rejected, match=reason):
        MODEL.check_update(update, ITEMS)


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
        "item_factors": npst.arrays(np.float32, (ITEMS, 5), elements=FLOATS),
        "item_bias": npst.arrays(np.float32, ITEMS, elements=FLOATS),
        "network": npst.arrays(np.float32, SIZE, elements=FLOATS),
        "exposure": npst.arrays(np.uint32, ITEMS),
        "users": npst.arrays(np.uint32, 1),
    }
)


@given(
    names=st.sets(st.sampled_from([*NAMES, "extra"])),
    arrays=st.lists(ANY_ARRAY, min_size=6, max_size=6),
    plausible=RIGHT_SHAPES,
    kept=st.sets(st.sampled_from(NAMES)),
)
@settings(max_examples=150)
def test_random_arrays_never_raise_anything_but_rejected(names, arrays, plausible, kept):
    strange = dict(zip(sorted(names), arrays, strict=False))
    unusual = plausible | {name: honest_update()[name] for name in kept}
    for update in (strange, honest_update() | strange, unusual):
        try:
            MODEL.check_update(update, ITEMS)
        except Rejected:
            continue
        state = MODEL.initial_state(ITEMS, np.random.default_rng(0))
        applied = MODEL.apply(state, MODEL.fuse([update], [10.0]))
        assert all(np.isfinite(array).all() for array in applied.values())


@pytest.mark.parametrize(
    "model", [Ncf(factors=8, tower_factors=4, tower_widths=(8, 4)), Ncf(variant="gmf", factors=8, learning_rate=0.3)]
)
def test_honest_clients_of_any_size_pass_on_real_data(model):
    interactions = load_dataset("ml-latest-small-2016", None).interactions
    rng = np.random.default_rng(1)
    state = model.initial_state(interactions.item_count, rng)
    users = np.arange(120)
    for _ in range(3):
        for clients in (1, 5):
            groups = np.array_split(users, clients)
            updates = [model.local_step(state, interactions.take(group))[0] for group in groups]
            for update in updates:
                model.check_update(update, interactions.item_count)
        model.check_update(model.local_step(state, interactions.take(users[:1]))[0], interactions.item_count)
        state = model.apply(state, model.fuse(updates, [1.0] * len(updates)))
