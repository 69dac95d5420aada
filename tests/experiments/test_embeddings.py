"""The figure of the item space: what its figures mean on spaces where they are known, and that it is drawn."""

import numpy as np
import pytest

from common.data.user_items import UserItems
from experiments.embedding_map import ItemSpace, recommendations
from experiments.embedding_picture import draw
from experiments.embeddings import main


def two_groups(genres=True):
    """40 items of two orthogonal kinds; user 0 likes the first kind, user 1 the second."""
    vectors = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)
    rows = np.repeat([0, 1], 6)
    items = np.array([*range(6), *range(20, 26)])
    train = UserItems.from_pairs(rows, items, np.ones(12), np.zeros(12, int), user_count=2, item_count=40)
    return ItemSpace(
        vectors=vectors,
        shown=np.arange(40),
        train=train,
        test=np.array([6, 26], np.int32),
        recommended=np.array([range(6, 16), range(26, 36)], np.int32),
        genres=tuple([("Comedy",)] * 20 + [("Drama", "War")] * 20) if genres else None,
        seed=1,
    )


def test_neighbours_of_one_kind_share_its_genre_and_random_items_every_other_time():
    assert two_groups().shared_genres() == pytest.approx((1.0, 19 / 39))


def test_there_are_no_shared_genres_without_genres():
    with pytest.raises(ValueError, match="no genres"):
        two_groups(genres=False).shared_genres()


def test_recommendations_of_the_users_kind_are_near():
    space = two_groups()
    # the random items are popular ones, and of these only the other kind is left
    assert space.nearness_of_recommendations(np.array([0, 1])) == pytest.approx((1.0, 0.0))


def test_users_are_drawn_among_those_whose_test_item_has_a_place():
    space = two_groups()
    assert space.draw_users(2) == [0, 1]
    space.test[0] = -1
    assert space.draw_users(1) == [1]


def test_what_a_user_has_is_not_recommended():
    train = UserItems.from_pairs(
        np.array([0]), np.array([14]), np.ones(1), np.zeros(1, int), user_count=1, item_count=15
    )
    best = recommendations(np.arange(15, dtype=np.float32)[None], train, [np.array([12], np.int32)])
    assert best.tolist() == [[13, 11, 10, 9, 8, 7, 6, 5, 4, 3]]


@pytest.mark.parametrize("genres", [True, False])
def test_the_same_space_gives_the_same_picture(genres):
    space, places = two_groups(genres), np.random.default_rng(1).normal(size=(40, 2))
    picture = draw(space, places, [0, 1, 0])
    assert picture.startswith(b"\x89PNG")
    assert picture == draw(space, places, [0, 1, 0])
    assert picture != draw(space, places, [1, 0, 1])


def test_the_experiment_writes_the_picture_and_a_note_with_its_command(tmp_path, capsys):
    main(
        ["--rounds", "1", "--factors", "8", "--least-interactions", "60", "--perplexity", "10", "--out", str(tmp_path)]
    )
    assert (tmp_path / "embeddings.png").stat().st_size > 20_000
    note = (tmp_path / "embeddings.md").read_text()
    assert "(embeddings.png)" in note
    assert "tfedrs experiment embeddings --dataset ml-latest-small-2016 --model ials --clients 5 --rounds 1" in note
    assert note.count("| the same, user ") == 3
    assert str(tmp_path / "embeddings.png") in capsys.readouterr().out
