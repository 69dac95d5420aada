"""Every hostile client of the table, in a whole run of every kind: recorded, left out, and the others are paid.

What the table's rows say is checked here one by one; `docs/hostile-clients.md` shows them.
"""

import re
from collections.abc import Callable

import pytest

from server.replay.run import replay_run
from server.run_folder import RunFolder
from tests.server.hostile_acts import ACCOUNTS, BAD
from tests.server.hostile_client import HostileClient, Verdict
from tests.server.hostile_clients import HOSTILE_CLIENTS, play_hostile, recorded_reasons
from tests.server.hostile_table import PAGE, SECTIONS, page
from tests.small_federation import WAD, PlayedRun, SmallFederation

CASES = [
    pytest.param(hostile, kind, id=f"{hostile.does}-{kind}") for hostile in HOSTILE_CLIENTS for kind in hostile.kinds
]
Play = Callable[[HostileClient, str], PlayedRun]


@pytest.fixture(scope="module")
def play(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Plays each case once, however many tests look at it."""
    played: dict[tuple[str, str], PlayedRun] = {}

    def play_once(hostile: HostileClient, kind: str) -> PlayedRun:
        key = (hostile.does, kind)
        if key not in played:
            played[key] = play_hostile(small, tmp_path_factory.mktemp("hostile"), hostile, kind)
        return played[key]

    return play_once


def check_reasons(run: PlayedRun, hostile: HostileClient) -> None:
    reasons = recorded_reasons(run, hostile)
    owed = [reason for reason in reasons if reason.endswith(" scores that it was asked for")]
    assert bool(owed) == (hostile.verdict is Verdict.UNHEARD)
    assert bool(reasons) == bool(hostile.reason), reasons
    for reason in set(reasons) - set(owed):
        assert re.search(hostile.reason, reason), reason
        assert reason.isprintable()
        assert len(reason) <= 300


def check_that_it_costs_the_round(run: PlayedRun, hostile: HostileClient) -> None:
    """No weight and no pay for who misbehaves; a reputation moves only where the update was scored."""
    t = hostile.cheats_in
    for client in hostile.pays:
        judged = run.judgement(t, ACCOUNTS[client].address)
        assert (judged["weight_wad"], judged["reward_wei"]) == ("0", "0")
        if hostile.verdict is Verdict.REJECTED:
            before = run.judgement(t - 1, ACCOUNTS[client].address)["smoothed_wad"] if t > 1 else "0"
            assert (judged["consolidated_wad"], judged["smoothed_wad"]) == (None, before)
        else:
            assert judged["consolidated_wad"] is not None
        if hostile.verdict is Verdict.LIAR:
            assert judged["smoothed_wad"] == "0"


def check_that_the_others_are_not_hurt(run: PlayedRun, hostile: HostileClient) -> None:
    lost = () if hostile.verdict is Verdict.JUDGED else hostile.pays
    for t in range(1, hostile.cheats_in + 2):
        rewards = {client: run.reward_wei(t, account.address) for client, account in enumerate(ACCOUNTS)}
        most = int(2 * 1000 * WAD / run.report["rounds"][t - 1]["participants"])  # what a cap keeps stays where it is
        assert max(rewards.values()) <= most
        assert sum(rewards.values()) == pytest.approx(1000 * WAD) or max(rewards.values()) == most
        for client, account in enumerate(ACCOUNTS):
            if client != BAD and client not in hostile.also:
                assert run.reasons(t, account.address) == []
                assert run.judgement(t, account.address)["consolidated_wad"] is not None
        assert run.report["rounds"][t - 1]["participants"] == 5 - (
            len(lost) if t == hostile.cheats_in and hostile.verdict is Verdict.REJECTED else 0
        )


def check_that_the_next_round_is_a_round_like_any_other(run: PlayedRun, hostile: HostileClient) -> None:
    t = hostile.cheats_in + 1
    row = run.report["rounds"][t - 1]
    assert row["rejected"] == []
    assert all(run.judgement(t, account.address)["consolidated_wad"] is not None for account in ACCOUNTS)
    assert run.report["ledger"]["settled_rounds"] == t
    assert run.report["ledger"]["verified"] is True


@pytest.mark.parametrize(("hostile", "kind"), CASES)
def test_a_hostile_client_is_recorded_and_the_round_goes_on(
    play: Play, small: SmallFederation, hostile: HostileClient, kind: str
) -> None:
    run = play(hostile, kind)
    check_reasons(run, hostile)
    if hostile.verdict is not Verdict.JUDGED:
        check_that_it_costs_the_round(run, hostile)
    else:
        assert run.judgement(hostile.cheats_in, ACCOUNTS[BAD].address)["consolidated_wad"] is not None
    check_that_the_others_are_not_hurt(run, hostile)
    check_that_the_next_round_is_a_round_like_any_other(run, hostile)
    verified = replay_run(
        RunFolder(run.folder),
        small.federation(run.folder / "coordinator"),
        hostile.cheats_in + 1,
        None,
        {shard.digest(): shard for shard in small.data.probe},
        restricted=True,
        on_round=lambda server_round: None,
    )
    assert verified.rounds == verified.models == hostile.cheats_in + 1


def test_the_page_says_what_the_runs_say(play: Play) -> None:
    assert PAGE.read_text() == page(play), "run `python -m tests.server.hostile_table`"


def test_the_page_shows_every_hostile_client_once() -> None:
    shown = [hostile.does for _, rows in SECTIONS for hostile in rows]
    assert sorted(shown) == sorted(hostile.does for hostile in HOSTILE_CLIENTS)
    assert len(shown) == len(set(shown))
