import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.data.user_items import UserItems
from experiments.exposure import exposure_ratios


class TableOfScores:
    """Its user vectors are the rows of scores themselves."""

    rating_range = None

    def scores(self, state, user_vectors):
        return user_vectors


def histories(rows, item_count):
    users = np.array([user for user, row in enumerate(rows) for _ in row], dtype=np.int64)
    items = np.array([item for row in rows for item in sorted(row)], dtype=np.int64)
    blank = np.zeros(len(items))
    return UserItems.from_pairs(
        users, items, blank, blank.astype(np.int64), user_count=len(rows), item_count=item_count
    )


def ratios(scores, known, met, targets, cutoffs):
    item_count = len(scores[0])
    return exposure_ratios(
        TableOfScores(),
        {},
        np.array(scores, dtype=np.float32),
        histories(known, item_count),
        histories(met, item_count),
        np.array(targets),
        cutoffs,
    )


def by_lists(scores, known, met, targets, cutoffs):
    """The definition, one list at a time."""
    shares = []
    for target in targets:
        lists = []
        for user, row in enumerate(scores):
            order = sorted(range(len(row)), key=lambda item: (-row[item], item))
            if target not in met[user]:
                lists.append([item for item in order if item not in known[user]])
        shares.append([sum(target in one[:k] for one in lists) / len(lists) if lists else np.nan for k in cutoffs])
    return np.array(shares)


@st.composite
def cases(draw):
    users, items = draw(st.integers(1, 6)), draw(st.integers(2, 8))
    row = st.lists(st.integers(0, 3).map(float), min_size=items, max_size=items)  # few values: many ties
    some = st.sets(st.integers(0, items - 1), max_size=items - 1)
    known = [draw(some) for _ in range(users)]
    met = [known[user] | draw(some) for user in range(users)]
    return [draw(row) for _ in range(users)], known, met, draw(st.lists(st.integers(0, items - 1), min_size=1))


@given(cases())
def test_the_ratios_are_those_of_the_lists_themselves(case):
    scores, known, met, targets = case
    expected = by_lists(scores, known, met, targets, (1, 2, 5))
    np.testing.assert_allclose(ratios(scores, known, met, targets, (1, 2, 5)), expected)


def test_a_target_stands_behind_what_scores_higher_and_is_not_known():
    scores = [[5, 4, 3, 2], [5, 4, 3, 2]]
    assert ratios(scores, [set(), {0, 1}], [set(), {0, 1}], [2], (1, 2, 3)).tolist() == [[0.5, 0.5, 1.0]]


def test_targets_of_one_score_share_the_places_instead_of_hiding_each_other():
    assert ratios([[9, 9, 9, 1]], [set()], [set()], [0, 1, 2], (1, 2)).tolist() == [[1, 1], [0, 1], [0, 0]]


def test_who_has_met_a_target_is_not_counted_and_without_strangers_there_is_no_ratio():
    scores = [[1, 9], [9, 1]]
    assert ratios(scores, [set(), set()], [set(), {1}], [1], (1,)).tolist() == [[1.0]]
    assert np.isnan(ratios(scores, [set(), set()], [{1}, {1}], [1], (1,))).all()


def test_a_nan_stands_below_everything():
    assert ratios([[np.nan, -9, -8]], [set()], [set()], [0, 1], (1, 2, 3)).tolist() == [[0, 0, 1], [0, 1, 1]]
