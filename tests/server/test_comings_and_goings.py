"""People come and go: rounds that ask some of the clients, and clients that join late, leave, flap and return."""

import json
from collections.abc import Callable, Iterable
from logging import INFO
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from common.declaration import NOT_AT_THIS_HOUR, TOO_SLOW, Declaration
from common.introduction import INTRODUCTION, Introduction, introduction_content, read_introduction
from common.wire import PEER_EVALUATION
from server.participation import NOT_ONLINE, draw_order
from server.replay.mismatch import Mismatch
from tests.server.hostile_acts import answering, in_phase, in_round, staying_silent
from tests.server.replay.recorded_run import RecordedRun
from tests.server.test_resume import Fuse, Interrupted, outcome
from tests.small_federation import WAD, PlayedRun, SmallFederation, with_settings

ALL = range(5)
DRAWN = {"participation": 0.6, "rounds": 6}  # three of five


def asked(run: PlayedRun, server_round: int) -> list[str]:
    return list(run.evidence(server_round)["asked"])


def senders(run: PlayedRun, server_round: int) -> list[str]:
    return [one["account"] for one in run.evidence(server_round)["commitments"]]


def passed_over(run: PlayedRun, server_round: int) -> dict[str, str]:
    return {one["account"]: one["reason"] for one in run.evidence(server_round)["passed_over"]}


def numbers(small: SmallFederation, accounts: Iterable[str]) -> set[int]:
    return {client for client, account in enumerate(small.accounts) if account.address in set(accounts)}


def check(small: SmallFederation, run: PlayedRun) -> PlayedRun:
    """Every run here settles each of its rounds and verifies, with the updates and without the ledger."""
    rounds = len(run.report["rounds"])
    assert run.report["ledger"]["settled_rounds"] == rounds
    assert RecordedRun.of(small, run).verify().rounds == rounds
    assert RecordedRun.of(small, run).verify(on_ledger=False).rounds == rounds
    return run


@pytest.fixture(scope="module")
def drawn(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    return small.play(tmp_path_factory.mktemp("drawn"), settings=with_settings(small, **DRAWN))


# Rounds that ask some


def test_each_round_asks_its_share_and_no_two_rounds_need_ask_the_same(
    small: SmallFederation, drawn: PlayedRun
) -> None:
    check(small, drawn)
    cohort = [account.address for account in small.accounts]
    for server_round in range(1, 7):
        assert len(asked(drawn, server_round)) == 3
        assert senders(drawn, server_round) == sorted(asked(drawn, server_round))
        assert drawn.report["rounds"][server_round - 1]["asked"] == sorted(asked(drawn, server_round))
        link = bytes.fromhex(drawn.evidence(server_round - 1)["seed_link"]) if server_round > 1 else None
        if link is not None:
            assert asked(drawn, server_round) == draw_order(link, cohort)[:3]
    assert len({tuple(asked(drawn, server_round)) for server_round in range(1, 7)}) > 1
    assert {account for server_round in range(1, 7) for account in asked(drawn, server_round)} == set(cohort)


def test_who_is_not_asked_keeps_its_reputation_and_is_not_paid(small: SmallFederation, drawn: PlayedRun) -> None:
    for server_round in range(2, 7):
        for account in small.accounts:
            if account.address in asked(drawn, server_round):
                continue
            now = drawn.judgement(server_round, account.address)
            before = drawn.judgement(server_round - 1, account.address)
            assert now["reward_wei"] == "0"
            assert now["weight_wad"] == "0"
            assert now["smoothed_wad"] == before["smoothed_wad"]


def test_the_model_learns_from_a_part_of_the_clients(drawn: PlayedRun) -> None:
    assert drawn.report["final"]["ndcg_at_10"] > 0.25


def test_a_round_that_asks_everybody_draws_nobody(small: SmallFederation, tmp_path: Path) -> None:
    messages: list[str] = []

    def watched(message: Message, context: Context, honest: ClientApp) -> Message:
        messages.append(message.metadata.message_type)
        return honest(message, context)

    run = check(small, small.play(tmp_path, acts=dict.fromkeys(ALL, watched)))
    assert set(messages) == {"train", PEER_EVALUATION, "evaluate"}
    assert asked(run, 1) == []
    assert run.report["rounds"][0]["asked"] is None
    assert len(run.report["rounds"][0]["took_part"]) == 5


def test_a_drawn_run_interrupted_in_a_round_ends_as_if_undisturbed(
    small: SmallFederation, tmp_path: Path, drawn: PlayedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_settings(small, **DRAWN)
    for step in ("received-0003.json", "round-0002.json"):
        ledger = small.ledger()
        with monkeypatch.context() as patched, pytest.raises(Interrupted):
            small.play(tmp_path / step, Fuse(patched, step).wrap(ledger), settings=settings)
        assert outcome(small.play(tmp_path / step, ledger, settings=settings)) == outcome(drawn)


def test_who_has_gone_since_an_interrupted_round_asked_it_is_not_replaced(
    small: SmallFederation, tmp_path: Path, drawn: PlayedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, ledger = with_settings(small, **DRAWN), small.ledger()
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path, Fuse(patched, "received-0003.json").wrap(ledger), settings=settings)
    gone = min(numbers(small, asked(drawn, 3)))
    run = small.play(
        tmp_path,
        ledger,
        settings=settings,
        online=lambda server_round: [k for k in ALL if server_round > 3 or k != gone],
    )
    check(small, run)
    assert asked(run, 3) == asked(drawn, 3)
    assert senders(run, 3) == senders(drawn, 3)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda one: one["asked"].reverse(), "asked"),
        (lambda one: one["asked"].pop(), "asked"),
        (lambda one: one["asked"].append(one["asked"][0]), "asked"),
        (lambda one: one["asked"].__setitem__(0, next(a for a in one["cohort"] if a not in one["asked"])), "asked"),
        (lambda one: one["asked"].extend(a for a in one["cohort"] if a not in one["asked"]), "asked"),
        (
            lambda one: one["passed_over"].append({"account": one["asked"].pop(0), "reason": NOT_ONLINE}),
            "asked",
        ),
        (
            lambda one: one["passed_over"].extend(
                {"account": a, "reason": NOT_ONLINE} for a in one["cohort"] if a not in one["asked"]
            ),
            "passed_over",
        ),
    ],
)
def test_another_invitation_does_not_verify(
    small: SmallFederation, drawn: PlayedRun, tmp_path: Path, change: Callable[[dict[str, Any]], object], field: str
) -> None:
    run = RecordedRun.of(small, drawn).copied_to(tmp_path / "copy")
    path = run.evidence(2)
    record = json.loads(path.read_bytes())
    change(record)
    path.write_bytes(rfc8785.dumps(record))
    with pytest.raises(Mismatch) as found:
        run.verify(on_ledger=False)
    assert found.value.server_round == 2
    assert found.value.field.startswith((field, "commitments"))


# Clients that come and go


def test_a_late_joiner_takes_part_from_the_round_in_which_it_comes(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(
        tmp_path,
        settings=with_settings(small, rounds=4),
        online=lambda server_round: ALL if server_round >= 3 else range(4),
    )
    check(small, run)
    late = small.accounts[4].address
    assert [late in senders(run, server_round) for server_round in (1, 2, 3, 4)] == [False, False, True, True]
    # it is scored when it comes, scores and is paid from the next round on
    assert [run.reward_wei(server_round, late) > 0 for server_round in (1, 2, 3, 4)] == [False, False, False, True]


def test_a_leaver_keeps_what_it_has_earned(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(
        tmp_path,
        settings=with_settings(small, rounds=4),
        online=lambda server_round: ALL if server_round <= 2 else range(1, 5),
    )
    check(small, run)
    left = small.accounts[0].address
    after = [run.judgement(server_round, left) for server_round in (2, 3, 4)]
    assert after[0]["cumulative_wei"] == after[1]["cumulative_wei"] == after[2]["cumulative_wei"] != "0"
    assert after[0]["smoothed_wad"] == after[2]["smoothed_wad"] != "0"


@pytest.mark.parametrize("participation", [1.0, 0.6])
def test_a_client_gone_for_ten_rounds_comes_back(small: SmallFederation, tmp_path: Path, participation: float) -> None:
    run = small.play(
        tmp_path,
        settings=with_settings(small, rounds=14, participation=participation, reward_per_round=100),
        online=lambda server_round: range(4) if 2 <= server_round <= 11 else ALL,
    )
    check(small, run)
    account = small.accounts[4].address
    took_part = [t for t in range(1, 15) if account in senders(run, t)]
    assert not set(took_part) & set(range(2, 12))
    assert max(took_part) >= 12
    assert run.report["rounds"][-1]["reputation"][account] > 0
    if participation < 1:
        assert any(passed_over(run, t).get(account) == NOT_ONLINE for t in range(2, 12))


def test_flapping_nodes_cost_only_their_own_rounds(small: SmallFederation, tmp_path: Path) -> None:
    """One is there every second round; another is asked every time, answers `train`, and is gone before it scores."""
    run = small.play(
        tmp_path,
        settings=with_settings(small, rounds=6),
        online=lambda server_round: [k for k in ALL if k != 4 or server_round % 2],
        acts={3: in_phase(PEER_EVALUATION, staying_silent)},
    )
    check(small, run)
    flapping, half = small.accounts[4].address, small.accounts[3].address
    for server_round in range(1, 7):
        assert (flapping in senders(run, server_round)) == bool(server_round % 2)
        assert run.reward_wei(server_round, half) == 0
        for other in range(3):
            address = small.accounts[other].address
            earned = int(run.judgement(server_round, address)["smoothed_wad"])
            # a first round that three shards hardly see anything in can end below the floor
            assert (run.reward_wei(server_round, address) > 0) == (earned >= 0.03 * WAD)
            assert server_round == 1 or earned > 0.5 * WAD


def test_half_of_the_clients_gone_at_once_and_the_run_goes_on(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(
        tmp_path,
        settings=with_settings(small, rounds=4, quorum=0.5),
        online=lambda server_round: ALL if server_round in (1, 4) else range(3),
    )
    check(small, run)
    assert [row["participants"] for row in run.report["rounds"]] == [5, 3, 3, 5]


def test_below_the_quorum_a_round_waits_until_enough_are_back(
    small: SmallFederation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(INFO, logger="flwr")  # a simulation in the same process may have asked for less
    looks = iter([range(5), range(1), range(2), range(4), range(5)])
    run = small.play(
        tmp_path, settings=with_settings(small, rounds=2, quorum=0.8), online=lambda server_round: next(looks, ALL)
    )
    check(small, run)
    assert [row["participants"] for row in run.report["rounds"]] == [5, 4]
    assert "round 2 waits: 1 of the 4 nodes it needs are there" in caplog.text


def test_a_straggler_is_left_out_of_its_round_alone(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(tmp_path, settings=with_settings(small, rounds=3), acts={2: in_round(2, staying_silent)})
    check(small, run)
    assert [row["participants"] for row in run.report["rounds"]] == [5, 4, 5]
    assert run.reasons(2, "node 4") == ["it did not answer within 0.3 s"]


# What clients declare


def test_a_client_that_sits_a_round_out_is_recorded_and_not_blamed(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = small.client_dirs[1] / "availability.toml"
    slow.write_text("seconds = 5\n")
    try:
        run = check(small, small.play(tmp_path / "everybody"))
        sitting_out = small.accounts[1].address
        assert run.reasons(1, sitting_out) == [f"it sits this round out: {TOO_SLOW}"]
        assert run.judgement(2, sitting_out)["gate_wad"] == "0"
        assert run.report["rounds"][1]["participants"] == 4
        run = check(small, small.play(tmp_path / "drawn", settings=with_settings(small, **DRAWN)))
        assert all(sitting_out not in asked(run, server_round) for server_round in range(1, 7))
        assert {passed_over(run, t).get(sitting_out) for t in range(1, 7)} <= {None, TOO_SLOW}
        assert all(row["participants"] == 3 for row in run.report["rounds"])
    finally:
        slow.unlink()


def introducing(**changed: Any) -> Any:
    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        introduction = read_introduction(honest(message, context).content)
        values = {name: getattr(introduction, name) for name in introduction.__dataclass_fields__} | changed
        return Message(introduction_content(Introduction(**values)), reply_to=message)

    return in_phase(INTRODUCTION, act)


def test_nobody_is_introduced_in_anothers_name(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(
        tmp_path,
        settings=with_settings(small, participation=0.6),
        acts={
            0: introducing(account=small.accounts[1].address),
            2: in_phase(INTRODUCTION, staying_silent),
            3: in_phase(INTRODUCTION, answering(introduction_content(Introduction("0x00", bytes(65))))),
        },
    )
    check(small, run)
    for server_round in (1, 2):
        assert numbers(small, asked(run, server_round)) == {1, 4}
        assert passed_over(run, server_round) == {small.accounts[k].address: NOT_ONLINE for k in (0, 2, 3)}
        (reason,) = run.reasons(server_round, "node 2")
        assert reason.startswith("the node's binding is not signed by its sender")
        assert run.reasons(server_round, "node 4") == ["it did not answer within 0.3 s"]
        assert run.reasons(server_round, "node 5") == ["'account' is not an address with its checksum"]


def test_a_declared_hour_is_kept_by_client_and_coordinator(small: SmallFederation, tmp_path: Path) -> None:
    declaration = Declaration(((0, 1),))
    run = small.play(
        tmp_path,
        settings=with_settings(small, participation=0.6),
        acts={2: introducing(declaration=declaration)},
    )
    check(small, run)
    account = small.accounts[2].address
    assert {passed_over(run, t).get(account) for t in (1, 2)} <= {None, NOT_AT_THIS_HOUR}
