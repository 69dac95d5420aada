"""One test for each guarantee and edge case in the docstrings of `client/privacy.py`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from client import privacy
from client.privacy import (
    add_gaussian_noise,
    clip_jointly,
    densify,
    nearest_psd,
    noisy_release,
    operating_system_generator,
)
from common.errors import CheckFailed
from common.models import Ials
from common.norms import joint_norm

NAMES = ("residual", "gram")


def insecure(seed=0):
    return np.random.default_rng(seed)


def some_arrays(scale=1.0):
    rng = insecure(7)
    vectors = rng.normal(0.0, scale, (6, 3))
    return {
        "residual": rng.normal(0.0, scale, (4, 3)).astype(np.float32),
        "gram": vectors.T @ vectors,
        "counts": np.array([1, 2, 0, 4], np.uint32),
    }


UPDATES = st.fixed_dictionaries(
    {
        "residual": npst.arrays(np.float32, (3, 2), elements=st.floats(-(2.0**60), 2.0**60, width=32)),
        "gram": npst.arrays(np.float64, (2, 2), elements=st.floats(-1e60, 1e60)),
    }
)
NORMS = st.floats(1e-3, 1e6)


@given(UPDATES, NORMS)
def test_the_joint_norm_is_at_most_c_up_to_rounding(arrays, clipping_norm):
    clipped, norm = clip_jointly(arrays, NAMES, clipping_norm)
    assert norm == joint_norm(arrays, NAMES)
    assert joint_norm(clipped, NAMES) <= clipping_norm * (1 + 1e-7)
    if norm > clipping_norm:
        assert joint_norm(clipped, NAMES) >= clipping_norm * (1 - 1e-7)


@given(UPDATES, NORMS)
def test_the_direction_is_kept_up_to_rounding(arrays, clipping_norm):
    clipped, norm = clip_jointly(arrays, NAMES, clipping_norm)
    factor = min(1.0, clipping_norm / norm) if norm else 1.0
    for name in NAMES:
        assert clipped[name].dtype == arrays[name].dtype
        np.testing.assert_allclose(clipped[name], arrays[name] * np.float64(factor), rtol=1e-7, atol=1e-40)


@given(UPDATES, st.floats(1.0, 1e6))
def test_an_update_within_the_norm_is_unchanged_byte_for_byte(arrays, room):
    norm = joint_norm(arrays, NAMES)
    clipped, _ = clip_jointly(arrays, NAMES, norm * room or room)
    assert all(clipped[name] is arrays[name] for name in NAMES)


def test_a_zero_update_passes_the_clip():
    zeros = {"residual": np.zeros((4, 3), np.float32), "gram": np.zeros((3, 3))}
    clipped, norm = clip_jointly(zeros, NAMES, 1.0)
    assert norm == 0.0
    assert all(clipped[name] is zeros[name] for name in NAMES)


def test_a_norm_of_exactly_c_is_not_clipped():
    arrays = {"a": np.array([3.0], np.float32), "b": np.array([4.0])}
    clipped, norm = clip_jointly(arrays, ["a", "b"], 5.0)
    assert norm == 5.0
    assert clipped["a"] is arrays["a"]


def test_the_clip_spans_all_named_arrays_and_no_other():
    arrays = {"a": np.array([3.0], np.float32), "b": np.array([4.0]), "counts": np.array([9], np.uint32)}
    clipped, _ = clip_jointly(arrays, ["a", "b"], 1.0)
    assert clipped["a"] == np.float32(0.6)
    assert clipped["b"] == pytest.approx(0.8)
    assert clipped["counts"] is arrays["counts"]
    assert arrays["a"] == 3.0  # the argument is not changed


def test_squares_beyond_float64_are_clipped_like_any_other():
    clipped, norm = clip_jointly({"v": np.array([3e200, -4e200])}, ["v"], 1.0)
    assert norm == pytest.approx(5e200)
    np.testing.assert_allclose(clipped["v"], [0.6, -0.8])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_update_that_is_not_finite_is_an_error(bad):
    arrays = some_arrays()
    arrays["residual"][1, 1] = bad
    with pytest.raises(CheckFailed, match="not finite"):
        clip_jointly(arrays, NAMES, 1.0)
    with pytest.raises(CheckFailed, match="not finite"):
        add_gaussian_noise(arrays, NAMES, 1.0, 1.0, insecure())


def test_wrong_requests_are_refused():
    arrays = some_arrays(0.01)
    for clipping_norm in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="clipping norm"):
            clip_jointly(arrays, NAMES, clipping_norm)
    for names, reason in (
        (("residual", "residual"), "named twice"),
        (("counts",), "no array"),
        (("absent",), "no array"),
    ):
        with pytest.raises(ValueError, match=reason):
            clip_jointly(arrays, names, 1.0)
    for noise_multiplier in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="noise multiplier"):
            add_gaussian_noise(arrays, NAMES, noise_multiplier, 1.0, insecure())
    with pytest.raises(ValueError, match="not among those"):
        add_gaussian_noise(arrays, ["residual"], 1.0, 1.0, insecure(), symmetric=["gram"])


def test_an_update_that_was_not_clipped_gets_no_noise():
    with pytest.raises(ValueError, match="clip them first"):
        add_gaussian_noise(some_arrays(), NAMES, 1.0, 0.5, insecure())


def test_clipping_each_array_alone_is_not_a_joint_clip():
    apart = some_arrays(10.0)
    for name in NAMES:
        apart, _ = clip_jointly(apart, [name], 1.0)
    with pytest.raises(ValueError, match="jointly"):
        add_gaussian_noise(apart, NAMES, 1.0, 1.0, insecure())


def noise_alone(count, noise_multiplier, clipping_norm, symmetric=("gram",)):
    """Return noise added to zeros: float32 residuals (count, 4, 3) and float64 grams (count, 3, 3)."""
    zeros = {"residual": np.zeros((4, 3), np.float32), "gram": np.zeros((3, 3))}
    rng = insecure(3)
    noisy = [add_gaussian_noise(zeros, NAMES, noise_multiplier, clipping_norm, rng, symmetric) for _ in range(count)]
    return np.stack([one["residual"] for one in noisy]), np.stack([one["gram"] for one in noisy])


def test_noise_is_dense_centred_and_of_the_stated_size():
    residuals, grams = noise_alone(4000, 0.5, 3.0, symmetric=())
    for noise in (residuals, grams):
        assert np.all(noise != 0.0)  # no entry goes without
        np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=5 * 1.5 / math.sqrt(4000))
        np.testing.assert_allclose(noise.std(axis=0), 1.5, rtol=0.06)
    # the tails are Gaussian: P(|z| > 2) = 4.55 %
    assert np.mean(np.abs(residuals) > 3.0) == pytest.approx(0.0455, abs=0.005)


def test_entries_of_the_noise_are_independent():
    residuals, grams = noise_alone(4000, 1.0, 1.0, symmetric=())
    flat = np.hstack([residuals.reshape(4000, -1), grams.reshape(4000, -1)])
    correlations = np.corrcoef(flat.T) - np.eye(flat.shape[1])
    assert np.max(np.abs(correlations)) < 5.5 / math.sqrt(4000)


def test_symmetric_noise_is_white_on_the_isometric_vectorisation():
    _, grams = noise_alone(4000, 0.5, 3.0)
    assert np.array_equal(grams, grams.transpose(0, 2, 1))
    rows, columns = np.triu_indices(3)
    vectorised = grams[:, rows, columns] * np.where(rows == columns, 1.0, math.sqrt(2))
    np.testing.assert_allclose(np.cov(vectorised.T), 1.5**2 * np.eye(6), atol=0.3)


def test_along_any_clipped_update_the_noise_has_stddev_sigma_c():
    """The one number that decides epsilon: how far apart two neighbours are, in standard deviations of the noise."""
    update, _ = clip_jointly(some_arrays(), NAMES, 2.0)
    residuals, grams = noise_alone(4000, 0.7, 2.0)
    along = np.einsum("nij,ij->n", residuals, update["residual"]) + np.einsum("nij,ij->n", grams, update["gram"])
    assert np.std(along / 2.0) == pytest.approx(1.4, rel=0.06)


def test_what_is_not_symmetric_does_not_pass_bare_through_symmetric_noise():
    lopsided = {"gram": np.array([[0.0, 1.0], [-1.0, 0.0]])}
    noisy = add_gaussian_noise(lopsided, ["gram"], 1.0, 2.0, insecure(), symmetric=["gram"])
    clean = add_gaussian_noise({"gram": np.zeros((2, 2))}, ["gram"], 1.0, 2.0, insecure(), symmetric=["gram"])
    np.testing.assert_allclose(noisy["gram"], clean["gram"])


def test_noise_is_added_to_the_update_and_to_the_named_arrays_only():
    arrays, _ = clip_jointly(some_arrays(), ["residual"], 1.0)
    noisy = add_gaussian_noise(arrays, ["residual"], 0.001, 1.0, insecure())
    np.testing.assert_allclose(noisy["residual"], arrays["residual"], atol=0.01)
    assert noisy["residual"].dtype == np.float32
    assert noisy["gram"] is arrays["gram"]
    assert noisy["counts"] is arrays["counts"]


def test_the_same_insecure_generator_repeats_and_another_does_not():
    arrays, _ = clip_jointly(some_arrays(), NAMES, 1.0)
    first, again, other = (
        add_gaussian_noise(arrays, NAMES, 1.0, 1.0, insecure(seed))["residual"] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.any(first == other)


def test_noise_too_large_for_float32_is_an_error():
    with pytest.raises(CheckFailed, match="too large"):
        add_gaussian_noise({"v": np.zeros(3, np.float32)}, ["v"], 1e3, 1e38, insecure())


def test_the_operating_system_generator_never_repeats():
    draws = {operating_system_generator().standard_normal() for _ in range(50)}
    assert len(draws) == 50


def test_every_byte_of_the_entropy_reaches_the_noise(monkeypatch):
    def first_draws(entropy):
        monkeypatch.setattr(privacy.secrets, "token_bytes", lambda size: entropy if size == 32 else b"")
        return tuple(operating_system_generator().standard_normal(8))

    plain = bytes(range(32))
    flipped = [bytes(value ^ (place == at) for at, value in enumerate(plain)) for place in range(32)]
    assert len({first_draws(entropy) for entropy in [plain, *flipped]}) == 33


def sparse_update():
    return {
        "row_ids": np.array([1, 4], np.uint32),
        "residual": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32),
        "counts": np.array([2, 1], np.uint32),
        "gram": np.eye(2),
        "users": np.array([2], np.uint32),
    }


def test_dense_rows_are_all_rows_with_zeros_where_nothing_was_touched():
    update = sparse_update()
    dense = densify(update, ["residual", "counts"], 6)
    assert dense["row_ids"].dtype == np.uint32
    assert dense["row_ids"].tolist() == [0, 1, 2, 3, 4, 5]
    assert dense["residual"].dtype == np.float32
    assert dense["residual"].tolist() == [[0, 0], [1, 2], [0, 0], [0, 0], [3, 4], [0, 0]]
    assert dense["counts"].tolist() == [0, 2, 0, 0, 1, 0]
    assert dense["gram"] is update["gram"]
    assert update["residual"].shape == (2, 2)  # the argument is not changed


def test_a_dense_update_makes_the_same_model():
    model = Ials(factors=2)
    state = model.initial_state(6, insecure())
    models = [
        model.apply(state, model.fuse([update], [1.0]))["item_factors"]
        for update in (sparse_update(), densify(sparse_update(), ["residual", "counts"], 6))
    ]
    np.testing.assert_array_equal(*models)


def an_ials_update():
    rng = insecure(5)
    vectors = rng.normal(0.0, 0.3, (6, 4))
    return {
        "row_ids": np.array([3, 8, 40], np.uint32),
        "residual": rng.normal(0.0, 0.5, (3, 4)).astype(np.float32),
        "counts": np.array([2, 1, 6], np.uint32),
        "gram": vectors.T @ vectors,
        "users": np.array([6], np.uint32),
    }


def test_nothing_but_noise_and_public_values_leaves():
    update, form = an_ials_update(), Ials(factors=4).noisy_form(50, 0.5)
    sent = noisy_release(update, form, 50, 0.5, 0.3, operating_system_generator())
    assert set(sent) == {*form.noisy, *form.public} == set(update)
    for name, value in form.public.items():
        assert np.array_equal(sent[name], value)
    assert np.all(sent["residual"] != 0.0)  # every row has noise, touched or not


def test_the_release_is_one_clip_then_noise_then_the_nearest_matrix():
    update, form = an_ials_update(), Ials(factors=4).noisy_form(50, 0.5)
    sent = noisy_release(update, form, 50, 0.5, 0.3, insecure(1))
    dense = densify({name: update[name] for name in ("row_ids", "residual", "gram")}, ["residual"], 50)
    clipped, norm = clip_jointly(dense, NAMES, 0.5)
    assert norm > 0.5
    noisy = add_gaussian_noise(clipped, NAMES, 0.3, 0.5, insecure(1), ["gram"])
    assert np.array_equal(sent["residual"], noisy["residual"])
    assert np.array_equal(sent["gram"], nearest_psd(noisy["gram"]))


def test_an_array_that_the_form_does_not_know_is_never_sent_nor_dropped_in_silence():
    update, form = an_ials_update(), Ials(factors=4).noisy_form(50, 0.5)
    for wrong in (update | {"more": np.ones(1)}, {name: update[name] for name in update if name != "users"}):
        with pytest.raises(ValueError, match="every array"):
            noisy_release(wrong, form, 50, 0.5, 0.3, insecure())


SYMMETRIC = npst.arrays(np.float64, (4, 4), elements=st.floats(-100, 100)).map(lambda matrix: matrix + matrix.T)


@given(SYMMETRIC)
def test_the_nearest_psd_matrix_is_symmetric_and_has_no_negative_eigenvalue(matrix):
    projected = nearest_psd(matrix)
    assert np.array_equal(projected, projected.T)
    assert np.linalg.eigvalsh(projected)[0] >= -1e-12 * (1 + np.abs(matrix).max())


@given(SYMMETRIC, SYMMETRIC)
def test_no_other_psd_matrix_is_nearer(matrix, other):
    distance = np.linalg.norm(nearest_psd(matrix) - matrix)
    assert distance <= np.linalg.norm(other @ other.T - matrix) + 1e-9


@given(SYMMETRIC, SYMMETRIC)
def test_mending_never_moves_a_gram_matrix_away_from_the_true_one_nor_from_zero(root, noise):
    gram = root @ root.T / 100
    mended = nearest_psd(gram + noise)
    assert np.linalg.norm(mended - gram) <= np.linalg.norm(noise) + 1e-9
    assert np.linalg.norm(mended) <= np.linalg.norm(gram + noise) + 1e-9


def test_a_psd_matrix_stays_as_it_is():
    vectors = insecure().normal(size=(6, 4))
    gram = vectors.T @ vectors
    np.testing.assert_allclose(nearest_psd(gram), gram, rtol=1e-12, atol=1e-12)
