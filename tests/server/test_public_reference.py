"""What the volunteers tell of everybody, by counting and by Wilson's interval worked out otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from server.public_reference import CONFIDENCE, PublicReference, upper_share
from tests.small_federation import ITEMS, SmallFederation


@given(st.integers(1, 400), st.data())
def test_the_upper_share_is_the_end_of_wilsons_interval(users: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, users))
    inside = 2 * stats.norm.cdf(CONFIDENCE) - 1
    interval = stats.binomtest(count, users).proportion_ci(confidence_level=inside, method="wilson")
    assert upper_share(np.array([float(count)]), users)[0] == pytest.approx(interval.high, abs=1e-9)


def test_an_upper_share_worked_by_hand() -> None:
    # z = 3, none of 27: (0 + 9/54 + 3 sqrt(9 / (4 x 27^2))) / (1 + 9/27) = (1/6 + 1/6) / (4/3) = 1/4
    assert upper_share(np.array([0.0]), 27)[0] == pytest.approx(0.25)
    assert upper_share(np.array([27.0]), 27)[0] == pytest.approx(1.0)


@given(st.integers(1, 10_000), st.data())
def test_a_share_is_above_what_was_seen_and_rises_with_it(users: int, data: st.DataObject) -> None:
    fewer, more = sorted(data.draw(st.tuples(st.integers(0, users), st.integers(0, users))))
    low, high = upper_share(np.array([float(fewer), float(more)]), users)
    assert 0 < low <= high <= 1
    assert low > fewer / users or fewer == users
    assert upper_share(np.array([2.0 * fewer]), 2 * users)[0] <= low + 1e-12  # more volunteers know it better


def test_the_reference_counts_held_out_items_too(small: SmallFederation) -> None:
    reference = PublicReference.of(small.data.probe)
    histories = small.data.split.train
    volunteers = reference.histories.user_count
    assert volunteers == sum(shard.histories.user_count for shard in small.data.probe)
    assert reference.counts.shape == (ITEMS,)
    assert reference.counts.sum() == reference.mean_history * volunteers
    held_out = sum(len(shard.held_out_items) for shard in small.data.probe)
    assert reference.counts.sum() == len(reference.histories.items) + held_out
    assert np.all(reference.counts <= np.bincount(histories.items, minlength=ITEMS))
