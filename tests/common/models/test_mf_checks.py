import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.data.load import load_dataset
from common.data.user_items import UserItems
from common.errors import Rejected
from common.models.mf import Mf

ITEMS = 12
MODEL = Mf(factors=3)
NAMES = ("row_ids", "item_factors", "item_bias", "counts", "mean", "users")


def honest_update():
    users = UserItems.from_pairs(
        np.array([0, 0, 0, 1, 1, 2]),
        np.array([0, 3, 11, 3, 4, 3]),
        np.array([0.5, 5.0, 3.0, 4.0, 1.0, 4.5]),
        np.zeros(6),
        user_count=3,
        item_count=ITEMS,
    )
    return MODEL.local_step(MODEL.initial_state(ITEMS, np.random.default_rng(0)), users)[0]


def with_entry(name, index, value):
    update = honest_update()
    update[name][index] = value
    return update


def replaced(**arrays):
    return honest_update() | arrays


def test_an_honest_update_passes():
    update = honest_update()
    assert update["row_ids"].tolist() == [0, 3, 4, 11]
    MODEL.check_update(update, ITEMS)


def in_step(update):
    """The gradient of the mean made to fit the biases'."""
    total = (update["counts"] * update["item_bias"].astype(np.float64)).sum()
    return update | {"mean": np.array([total / update["users"][0]], np.float32)}


HOSTILE = {
    "nothing": ({}, "exactly the arrays"),
    "an extra array": (replaced(extra=np.zeros(1)), "exactly the arrays"),
    "a list for an array": (replaced(item_bias=[0.0] * 4), "item_bias has not"),
    "none for the row ids": (replaced(row_ids=None), "has not"),
    "objects": (replaced(counts=np.ones(4, object)), "counts has not"),
    "float64 rows": (replaced(item_factors=np.zeros((4, 3))), "item_factors has not"),
    "big-endian rows": (replaced(item_factors=np.zeros((4, 3), ">f4")), "item_factors has not"),
    "signed row ids": (replaced(row_ids=np.array([0, 3, 4, 11], np.int32)), "row_ids has not"),
    "a column too few": (replaced(item_factors=np.zeros((4, 2), np.float32)), "item_factors has not"),
    "a row too many": (replaced(item_factors=np.zeros((5, 3), np.float32)), "item_factors has not"),
    "two means": (replaced(mean=np.zeros(2, np.float32)), "mean has not"),
    "a masked array": (replaced(users=np.ma.array([3], np.uint32)), "users has not"),
    "no users": (replaced(users=np.array([0], np.uint32)), "no users"),
    "row ids that fall": (replaced(row_ids=np.array([3, 0, 4, 11], np.uint32)), "ascending"),
    "a row id twice": (replaced(row_ids=np.array([0, 3, 3, 11], np.uint32)), "ascending"),
    "a row id outside": (replaced(row_ids=np.array([0, 3, 4, 12], np.uint32)), "outside the catalogue"),
    "a count of zero": (with_entry("counts", 1, 0), "zero or greater"),
    "a count beyond the users": (with_entry("counts", 1, 4), "zero or greater"),
    "a NaN bias": (with_entry("item_bias", 2, np.nan), "bias gradient is not finite"),
    "an infinite bias": (with_entry("item_bias", 2, -np.inf), "bias gradient is not finite"),
    "a bias beyond every rating": (with_entry("item_bias", 2, 2.6), "longer than the rating range"),
    "biases too large together": (
        in_step(replaced(item_bias=np.full(4, 1.1, np.float32))),
        "bias gradient is among",
    ),
    "a NaN row": (with_entry("item_factors", (0, 0), np.nan), "item's gradient is not finite"),
    "an infinite row": (with_entry("item_factors", (1, 1), np.inf), "item's gradient is not finite"),
    "a row whose square overflows": (with_entry("item_factors", (1, 1), 3e38), "longer than the rating range"),
    "one boosted row": (with_entry("item_factors", (1, 0), 12.0), "longer than the rating range"),
    "rows too long together": (
        replaced(item_factors=np.full((4, 3), 3.0, np.float32)),
        "item's gradient is among",
    ),
    "a NaN mean": (with_entry("mean", 0, np.nan), "not the sum"),
    "an infinite mean": (with_entry("mean", 0, np.inf), "not the sum"),
    "a mean that pulls alone": (with_entry("mean", 0, 0.5), "not the sum"),
    "biases without their mean": (with_entry("item_bias", 0, -0.8), "not the sum"),
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
        "row_ids": npst.arrays(np.uint32, 4),
        "item_factors": npst.arrays(np.float32, (4, 3), elements=FLOATS),
        "item_bias": npst.arrays(np.float32, 4, elements=FLOATS),
        "counts": npst.arrays(np.uint32, 4),
        "mean": npst.arrays(np.float32, 1, elements=FLOATS),
        "users": npst.arrays(np.uint32, 1),
    }
)


@given(
    names=st.sets(st.sampled_from([*NAMES, "extra"])),
    arrays=st.lists(ANY_ARRAY, min_size=7, max_size=7),
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


RATINGS = st.sampled_from([0.5, 1.0, 3.0, 4.5, 5.0])


@given(
    st.lists(st.dictionaries(st.integers(0, ITEMS - 1), RATINGS, max_size=ITEMS), min_size=1, max_size=8),
    st.sampled_from([1e-4, 0.012, 1.0]),
    st.integers(0, 2**32),
)
def test_honest_clients_pass_whatever_their_users_rated_in_every_round(histories, regularisation, seed):
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    items = np.array([item for history in histories for item in history], np.int64)
    ratings = np.array([rating for history in histories for rating in history.values()], np.float64)
    train = UserItems.from_pairs(
        users, items, ratings, np.zeros(len(items)), user_count=len(histories), item_count=ITEMS
    )
    model = Mf(factors=3, regularisation=regularisation)
    state = model.initial_state(ITEMS, np.random.default_rng(seed))
    for _ in range(4):
        update = model.local_step(state, train)[0]
        model.check_update(update, ITEMS)
        state = model.apply(state, model.fuse([update], [1.0]))


@pytest.mark.parametrize(
    "model", [Mf(factors=16), Mf(factors=16, regularisation=0.004, learning_rate=100.0, momentum=0.5)]
)
def test_honest_clients_of_any_size_pass_on_real_data(model):
    interactions = load_dataset("ml-latest-small-2016", None).interactions
    for seed in (1, 2):
        state = model.initial_state(interactions.item_count, np.random.default_rng(seed))
        users = np.random.default_rng(seed).permutation(interactions.user_count)[:150]
        for _ in range(5):
            for clients in (150, 1, 5):
                groups = np.array_split(users, clients)
                updates = [model.local_step(state, interactions.take(group))[0] for group in groups]
                for update in updates:
                    model.check_update(update, interactions.item_count)
            state = model.apply(state, model.fuse(updates, [1.0] * len(updates)))
