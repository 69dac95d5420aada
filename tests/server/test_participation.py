"""Whom a round asks: the draw itself."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from common.account import development_account
from common.config import Settings
from server.participation import asks_some, clients_asked, draw_order, invite, updates_needed

ACCOUNTS = [development_account(3, index).address for index in range(12)]
LINK = st.binary(min_size=32, max_size=32)


@given(link=LINK, accounts=st.permutations(ACCOUNTS))
def test_the_order_depends_on_the_link_alone(link: bytes, accounts: list[str]) -> None:
    order = draw_order(link, accounts)
    assert order == draw_order(link, ACCOUNTS)
    assert sorted(order) == sorted(ACCOUNTS)


def test_everybody_is_drawn_about_as_often() -> None:
    rounds, asked = 2000, 4
    drawn = Counter(
        account for number in range(rounds) for account in draw_order(number.to_bytes(32, "big"), ACCOUNTS)[:asked]
    )
    expected = rounds * asked / len(ACCOUNTS)
    assert all(abs(drawn[account] - expected) < 5 * expected**0.5 for account in ACCOUNTS)


@given(link=LINK, wanted=st.integers(0, 15), absent=st.sets(st.sampled_from(ACCOUNTS)))
def test_asked_and_passed_over_are_the_beginning_of_the_order(link: bytes, wanted: int, absent: set[str]) -> None:
    order = draw_order(link, ACCOUNTS)
    invitation = invite(order, wanted, dict.fromkeys(absent, "away"))
    passed_over = {account for account, _ in invitation.passed_over}
    assert {*invitation.asked, *passed_over} == set(order[: len(invitation.asked) + len(passed_over)])
    assert passed_over <= absent
    assert not absent & set(invitation.asked)
    assert len(invitation.asked) == min(wanted, len(ACCOUNTS) - len(absent))


def test_two_are_asked_at_least_and_the_quorum_is_of_those_asked() -> None:
    assert [clients_asked(Settings(clients=20, participation=share)) for share in (1e-9, 0.1, 0.11, 0.5, 1.0)] == [
        *(2, 2, 3, 10, 20)
    ]
    assert [updates_needed(Settings(clients=20, participation=share)) for share in (0.1, 0.5, 1.0)] == [2, 5, 10]
    assert not asks_some(Settings(clients=2, participation=0.5))
    assert asks_some(Settings(clients=3, participation=0.5))
