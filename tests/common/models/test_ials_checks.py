import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.data.load import load_dataset
from common.errors import Rejected
from common.models import Ials

ITEMS, MODEL = 12, Ials(factors=4)


def honest_update():
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 0.3, (6, 4))
    return {
        "row_ids": np.array([0, 3, 11], np.uint32),
        "residual": rng.normal(0, 0.1, (3, 4)).astype(np.float32),
        "counts": np.array([2, 1, 6], np.uint32),
        "gram": vectors.T @ vectors,
        "users": np.array([6], np.uint32),
    }


def test_an_honest_update_passes():
    MODEL.check_update(honest_update(), ITEMS)


def with_entry(name, index, value):
    update = honest_update()
    update[name][index] = value
    return update


def replaced(**arrays):
    return honest_update() | arrays


HOSTILE = {
    "nothing": ({}, "exactly the arrays"),
    "an extra array": (replaced(extra=np.zeros(1)), "exactly the arrays"),
    "a list for an array": (replaced(residual=[[0.0] * 4] * 3), "residual has not"),
    "none for the ids": (replaced(row_ids=None), "has not the type"),
    "objects": (replaced(counts=np.array([2, 1, 6], object)), "counts has not"),
    "float64 residual": (replaced(residual=np.zeros((3, 4))), "residual has not"),
    "big-endian gram": (replaced(gram=honest_update()["gram"].astype(">f8")), "gram has not"),
    "signed ids": (replaced(row_ids=np.array([-1, 3, 4], np.int32)), "row_ids has not"),
    "a column too few": (replaced(residual=np.zeros((3, 3), np.float32)), "residual has not"),
    "a row too many": (replaced(residual=np.zeros((4, 4), np.float32)), "residual has not"),
    "a flat gram": (replaced(gram=np.zeros(16)), "gram has not"),
    "ids of two dimensions": (replaced(row_ids=np.zeros((3, 1), np.uint32)), "row_ids has not"),
    "two user counts": (replaced(users=np.array([6, 6], np.uint32)), "users has not"),
    "a masked array": (replaced(users=np.ma.array([6], np.uint32)), "users has not"),
    "no users": (replaced(users=np.array([0], np.uint32)), "no users"),
    "descending ids": (with_entry("row_ids", 1, 0), "strictly ascending"),
    "an id beyond the catalogue": (with_entry("row_ids", 2, ITEMS), "outside the catalogue"),
    "a count of zero": (with_entry("counts", 1, 0), "zero or greater"),
    "a count beyond the users": (with_entry("counts", 1, 7), "zero or greater"),
    "a NaN in the residual": (with_entry("residual", (0, 0), np.nan), "residual row"),
    "an infinity in the residual": (with_entry("residual", (2, 1), np.inf), "residual row"),
    "a residual whose square overflows": (with_entry("residual", (2, 1), 3e38), "residual row"),
    "one boosted row": (with_entry("residual", (1, 0), 8.0), "residual row"),
    "a boosted residual": (replaced(residual=honest_update()["residual"] * np.float32(40)), "the residual is longer"),
    "a residual without a gram": (replaced(gram=np.zeros((4, 4))), "residual row"),
    "a NaN in the gram": (with_entry("gram", (0, 0), np.nan), "not finite"),
    "an infinity in the gram": (with_entry("gram", (0, 1), -np.inf), "not finite"),
    "a boosted gram": (replaced(gram=honest_update()["gram"] * 1e6), "larger than the counts"),
    "an asymmetric gram": (with_entry("gram", (0, 1), 0.2), "not symmetric"),
    "a negative gram": (replaced(gram=-honest_update()["gram"]), "gram matrix is not"),
    "an indefinite gram": (replaced(gram=np.diag([1.0, 1.0, 1.0, -0.01])), "not positive semidefinite"),
    "an indefinite gram without a trace": (replaced(gram=np.fliplr(np.eye(4))), "not positive semidefinite"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_update_is_rejected_with_its_reason(case):
    update, reason = HOSTILE[case]
    with pytest.raises(Rejected, match=reason):
        MODEL.check_update(update, ITEMS)


def test_a_singular_gram_of_few_users_passes():
    vector = np.array([[0.3, -0.1, 0.2, 0.05]])
    MODEL.check_update(replaced(gram=vector.T @ vector, residual=np.zeros((3, 4), np.float32)), ITEMS)


EXTREMES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-320, 1e30, 3e38, 1e308, np.inf, -np.inf, np.nan])
ANY_ARRAY = st.one_of(
    npst.arrays(
        st.one_of(npst.scalar_dtypes(), npst.byte_string_dtypes(), npst.nested_dtypes()),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.none(),
    st.integers(),
)
RIGHT_SHAPES = st.fixed_dictionaries(
    {
        "row_ids": npst.arrays(np.uint32, 3),
        "residual": npst.arrays(np.float32, (3, 4)),
        "counts": npst.arrays(np.uint32, 3),
        "gram": npst.arrays(np.float64, (4, 4), elements=st.one_of(EXTREMES, st.floats())),
        "users": npst.arrays(np.uint32, 1),
    }
)


@given(
    names=st.sets(st.sampled_from(["row_ids", "residual", "counts", "gram", "users", "extra"])),
    arrays=st.lists(ANY_ARRAY, min_size=6, max_size=6),
    plausible=RIGHT_SHAPES,
    kept=st.sets(st.sampled_from(["row_ids", "residual", "counts", "gram", "users"])),
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
        assert np.isfinite(applied["item_factors"]).all()


@pytest.mark.parametrize("model", [Ials(factors=16), Ials(factors=16, alpha0=0.05, regularisation=0.0005)])
def test_honest_clients_of_any_size_pass_on_real_data(model):
    interactions = load_dataset("ml-latest-small-2016", None).interactions
    state = model.initial_state(interactions.item_count, np.random.default_rng(1))
    users = np.arange(interactions.user_count)
    for _ in range(4):
        for clients in (len(users), 20):
            updates = [model.local_step(state, interactions.take(group))[0] for group in np.array_split(users, clients)]
            for update in updates:
                model.check_update(update, interactions.item_count)
        state = model.apply(state, model.fuse(updates, [1.0] * len(updates)))
