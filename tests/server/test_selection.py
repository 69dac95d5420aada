from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from common.merkle import ascending
from server.reputation import WAD
from server.seed_chain import SeedChain, committee_seed
from server.selection import Assignment, draw_committees, trusted_evaluators

HASH = st.binary(min_size=32, max_size=32)
ACCOUNTS = st.lists(st.binary(min_size=20, max_size=20).map(to_checksum_address), min_size=2, max_size=12, unique=True)


def some_hashes(count: int, label: str = "shard") -> list[bytes]:
    return [keccak(f"{label} {index}".encode()) for index in range(count)]


def some_accounts(count: int) -> list[str]:
    return [to_checksum_address(one[:20]) for one in some_hashes(count, "account")]


def committees(assignments: list[Assignment]) -> dict[str, list[str]]:
    drawn: dict[str, list[str]] = {}
    for one in assignments:
        drawn.setdefault(one.subject, []).append(one.evaluator)
    return drawn


@given(HASH, ACCOUNTS, st.integers(1, 14))
def test_a_committee_is_so_many_others_and_everybody_scores_equally_many(
    seed: bytes, accounts: list[str], committee_size: int
) -> None:
    assignments = draw_committees(seed, accounts, accounts, committee_size, some_hashes(14))
    seats = min(committee_size, len(accounts) - 1)
    drawn = committees(assignments)
    assert list(drawn) == list(ascending(accounts))
    for subject, evaluators in drawn.items():
        assert len(evaluators) == len(set(evaluators)) == seats
        assert subject not in evaluators
        assert set(evaluators) <= set(accounts)
    assert set(Counter(one.evaluator for one in assignments).values()) == {seats}


@given(HASH, ACCOUNTS, st.integers(1, 14))
def test_a_seat_uses_one_shard_for_all_and_different_seats_different_ones(
    seed: bytes, accounts: list[str], committee_size: int
) -> None:
    shards = some_hashes(14)
    assignments = draw_committees(seed, accounts, accounts, committee_size, shards)
    seats = min(committee_size, len(accounts) - 1)
    by_seat = [{one.shard for one in assignments[seat::seats]} for seat in range(seats)]
    assert all(len(used) == 1 for used in by_seat)
    assert len(set.union(*by_seat)) == seats
    assert set.union(*by_seat) <= set(shards)


@given(HASH, ACCOUNTS, st.randoms())
def test_the_order_of_accounts_and_shards_changes_nothing(seed: bytes, accounts: list[str], random) -> None:
    shards = some_hashes(5)
    drawn = draw_committees(seed, accounts, accounts, 3, shards)
    assert drawn == draw_committees(
        seed, random.sample(accounts, len(accounts)), accounts, 3, random.sample(shards, len(shards))
    )


def test_more_clients_than_the_settings_foresaw_use_the_shards_again() -> None:
    shards = some_hashes(2)
    assignments = draw_committees(bytes(32), some_accounts(6), some_accounts(6), 5, shards)
    assert Counter(one.shard for one in assignments) in ({shards[0]: 18, shards[1]: 12}, {shards[0]: 12, shards[1]: 18})


@pytest.mark.parametrize("count", [0, 1])
def test_without_peers_there_are_no_committees(count: int) -> None:
    assert draw_committees(bytes(32), some_accounts(count), some_accounts(count), 7, some_hashes(1)) == []


def test_another_seed_draws_other_committees_and_shards() -> None:
    accounts, shards = some_accounts(8), some_hashes(7)
    draws = [draw_committees(seed, accounts, accounts, 3, shards) for seed in some_hashes(20, "seed")]
    assert len({tuple(draw) for draw in draws}) == 20
    assert len({draw[0].shard for draw in draws}) > 1


def test_every_committee_is_about_equally_likely() -> None:
    accounts, shards = some_accounts(4), some_hashes(3)
    draws = 2400
    seen = Counter(
        tuple(committees(draw_committees(seed, accounts, accounts, 2, shards))[accounts[0]])
        for seed in some_hashes(draws, "seed")
    )
    ordered_pairs = set(permutations(accounts[1:], 2))
    assert set(seen) == ordered_pairs
    expected = draws / len(ordered_pairs)
    chi_squared = sum((count - expected) ** 2 / expected for count in seen.values())
    assert chi_squared < 20.5  # 99.9 % quantile at 5 degrees of freedom; the seeds are fixed


# The seed chain


@given(HASH, st.integers(1, 30))
def test_the_hash_of_a_link_is_the_link_before_it(last: bytes, rounds: int) -> None:
    chain = SeedChain(last, rounds)
    assert chain.link(rounds) == last
    for server_round in range(1, rounds + 1):
        assert keccak(chain.link(server_round)) == chain.link(server_round - 1)
    assert chain.link(0) == chain.anchor


def test_the_committee_seed_follows_from_link_and_commitments() -> None:
    link, root, other = some_hashes(3)
    assert committee_seed(link, root) == keccak(link + root)
    assert len({committee_seed(link, root), committee_seed(link, other), committee_seed(other, root)}) == 3


def standing(accounts: Sequence[str], trusted: Sequence[str]) -> dict[str, int]:
    return {account: WAD if account in trusted else 0 for account in accounts}


def test_whoever_has_no_reputation_is_scored_and_does_not_score() -> None:
    accounts = some_accounts(12)
    trusted = trusted_evaluators(accounts, Settings(committee_size=3), standing(accounts, accounts[:8]))
    assert trusted == accounts[:8]
    drawn = committees(draw_committees(bytes(32), accounts, trusted, 3, some_hashes(3)))
    assert set(drawn) == set(accounts)
    assert all(len(set(peers)) == 3 and set(peers) <= set(trusted) - {subject} for subject, peers in drawn.items())


@pytest.mark.parametrize("trusted", [0, 3, 5])
def test_everybody_scores_where_too_few_are_trusted(trusted: int) -> None:
    accounts = some_accounts(12)
    chosen = trusted_evaluators(accounts, Settings(committee_size=3), standing(accounts, accounts[:trusted]))
    assert chosen == accounts


def test_by_scores_alone_everybody_scores() -> None:
    accounts = some_accounts(12)
    settings = Settings(committee_size=3, defence="scores")
    assert trusted_evaluators(accounts, settings, standing(accounts, accounts[:8])) == accounts
