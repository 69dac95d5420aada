"""A whole run through the in-process grid, and what a round does when scores or updates are missing.

How each hostile client is recorded and left out is in `test_hostile_clients.py`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from common.merkle import cohort_leaf, merkle_root
from common.models import model_of
from common.seeding import generator
from common.update import decode_model, object_name
from common.wire import (
    RoundTask,
    SignedScore,
    read_round_task,
)
from server.evidence import evidence_root
from server.ledger import Phase
from server.run_folder import RunFolder
from server.seed_chain import SeedChain
from server.settlement import reward_leaves
from tests.server.hostile_acts import (
    BAD,
    OTHER,
    answering,
    changing_the_scores,
    failing,
    in_phase,
    signed_again,
    staying_silent,
)
from tests.small_federation import WAD, Act, PlayedRun, SmallFederation, with_settings


def check_that_the_honest_are_paid(run: PlayedRun, small: SmallFederation, *dishonest: int) -> None:
    for server_round in (1, 2):
        rewards = {
            client: run.reward_wei(server_round, account.address) for client, account in enumerate(small.accounts)
        }
        assert all(rewards[client] > 0 for client in rewards if client not in dishonest), rewards
        assert sum(rewards.values()) == pytest.approx(1000 * WAD)
    assert run.report["ledger"]["verified"] is True
    assert run.report["ledger"]["settled_rounds"] == 2
    assert run.report["final"]["ndcg_at_10"] > 0.2


# A run in which nothing happens


@pytest.fixture(scope="module")
def honest_run(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    return small.play(tmp_path_factory.mktemp("honest"))


def test_an_honest_run_learns_pays_everybody_and_rejects_nobody(honest_run: PlayedRun, small: SmallFederation) -> None:
    check_that_the_honest_are_paid(honest_run, small)
    rows = honest_run.report["rounds"]
    assert [row["round"] for row in rows] == [1, 2]
    assert [row["rejected"] for row in rows] == [[], []]
    assert [row["participants"] for row in rows] == [5, 5]
    assert rows[0]["ndcg_at_10"] < rows[1]["ndcg_at_10"] == honest_run.report["final"]["ndcg_at_10"]
    assert all(row["bytes_up"] > 0 and row["bytes_down"] > row["bytes_up"] and row["seconds"] > 0 for row in rows)


def test_the_ledger_and_the_run_folder_tell_the_same_story(honest_run: PlayedRun, small: SmallFederation) -> None:
    report, folder = honest_run.report, RunFolder(honest_run.folder)
    run_id = bytes.fromhex(report["ledger"]["run_id"])
    cohort = honest_run.ledger.participants()
    opened = honest_run.ledger.run_record(run_id)
    assert opened is not None
    assert opened.cohort_root == merkle_root([cohort_leaf(index, account) for index, account in enumerate(cohort)])
    model = object_name(folder.get_object(honest_run.evidence(1)["model"]))
    for row in report["rounds"]:
        record = honest_run.ledger.round_record(run_id, row["round"])
        evidence = honest_run.evidence(row["round"])
        assert record is not None
        assert record.settlement is not None
        assert record.phase is Phase.SETTLED
        assert record.model_hash.hex() == evidence["model"] == model
        assert record.settlement.next_model_hash.hex() == evidence["next_model"] == row["model"]
        assert record.settlement.evidence_root == evidence_root(folder.get_evidence(row["round"]))
        assert record.settlement.rewarded_wei == int(evidence["rewarded_wei"])
        totals = {one["account"]: int(one["cumulative_wei"]) for one in evidence["judgements"]}
        assert record.settlement.reward_root == merkle_root(reward_leaves(cohort, totals))
        assert record.commitment_root is not None
        assert record.commitment_root.hex() == evidence["commitment_root"]
        model = row["model"]
    links = [bytes.fromhex(honest_run.evidence(server_round)["seed_link"]) for server_round in (1, 2)]
    assert SeedChain(links[1], 2).anchor == opened.seed_anchor
    assert SeedChain(links[1], 2).link(1) == links[0]


def test_the_public_record_holds_no_update_and_no_salt(honest_run: PlayedRun) -> None:
    received = json.loads((honest_run.folder / "objects" / "updates" / "received-0001.json").read_text())
    salts = [one["salt"] for one in received["updates"]]
    assert len(salts) == 5
    public = (honest_run.folder / "evidence" / "round-0001.json").read_text()
    assert not any(salt in public for salt in salts)
    for path in (honest_run.folder / "objects" / "updates").iterdir():
        assert path.stat().st_mode & 0o077 == 0
    updates = [path for path in (honest_run.folder / "objects" / "updates").iterdir() if path.suffix != ".json"]
    assert len(updates) == 10
    assert all(object_name(path.read_bytes()) == path.name for path in updates)


def test_the_same_seed_gives_the_same_evidence(honest_run: PlayedRun, small: SmallFederation, tmp_path: Path) -> None:
    again = small.play(tmp_path)
    for server_round in (1, 2):
        assert RunFolder(again.folder).get_evidence(server_round) == RunFolder(honest_run.folder).get_evidence(
            server_round
        )


def test_fedavg_is_the_exact_central_step(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, aggregation="fedavg", rounds=3)
    run = small.play(tmp_path, settings=settings)
    model = model_of(settings)
    state = model.initial_state(small.data.train.item_count, generator(settings.seed, "initial-model"))
    for row in run.report["rounds"]:
        update, _ = model.local_step(state, small.data.train)
        state = model.apply(state, model.fuse([update], [1.0]))
        federated = decode_model(RunFolder(tmp_path).get_object(row["model"])).arrays
        for name, array in state.items():
            assert np.abs(federated[name] - array).max() < 1e-5 * max(1.0, np.abs(array).max())


def test_a_second_run_on_the_same_ledger_adds_to_the_rewards(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    first = small.play(tmp_path / "first", ledger)
    coordinator = tmp_path / "second" / "coordinator"
    coordinator.mkdir(parents=True)
    for path in (tmp_path / "first" / "coordinator").iterdir():
        (coordinator / path.name).write_bytes(path.read_bytes())
    second = small.play(tmp_path / "second", ledger)
    assert first.report["ledger"]["run_id"] != second.report["ledger"]["run_id"]
    for account in small.accounts:
        earned = sum(
            run.reward_wei(server_round, account.address) for run in (first, second) for server_round in (1, 2)
        )
        assert int(second.judgement(2, account.address)["cumulative_wei"]) == earned


# Peers that say what they like within the rules


def test_one_peer_that_praises_and_one_that_damns_everybody_change_little(
    small: SmallFederation, tmp_path: Path
) -> None:
    """Each alone is a minority of every committee of three, so the median stays within what the honest say."""
    bad = small.accounts[BAD]

    def praise(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
        return signed_again(scores, task, bad.key, ndcg_gain_wad=WAD, hit_gain_wad=WAD)

    settings = with_settings(small, audit_share=0.0)  # what the median does where nobody looks
    run = small.play(tmp_path, settings=settings, acts={BAD: changing_the_scores(praise)})
    evidence = run.evidence(1)
    for judged in evidence["judgements"]:
        honest = [
            (int(score["ndcg_gain_wad"]) + int(score["hit_gain_wad"])) // 2
            for score in evidence["scores"]
            if score["subject"] == judged["account"] and score["evaluator"] != bad.address
        ]
        assert min(honest) <= int(judged["consolidated_wad"]) <= max(honest)
    check_that_the_honest_are_paid(run, small)


def test_an_update_without_enough_scores_is_left_out_and_its_reputation_stays(
    small: SmallFederation, tmp_path: Path
) -> None:
    def silent_in_round_2(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
        target = small.accounts[OTHER].address
        return [signed for signed in scores if task.server_round == 1 or signed.score.subject != target]

    acts = {client: changing_the_scores(silent_in_round_2) for client in range(5)}
    run = small.play(tmp_path, acts=acts)
    before, after = (run.judgement(server_round, small.accounts[OTHER].address) for server_round in (1, 2))
    assert after["consolidated_wad"] is None
    assert (after["weight_wad"], after["reward_wei"]) == ("0", "0")
    assert after["smoothed_wad"] == before["smoothed_wad"] != "0"


# Too few updates


def test_below_the_quorum_the_model_stays_and_the_pool_is_carried_over(small: SmallFederation, tmp_path: Path) -> None:
    def failing_in_round_1(message: Message, context: Context, honest: ClientApp) -> Message:
        if read_round_task(message.content).server_round == 1:
            raise OSError("not yet")
        return honest(message, context)

    settings = with_settings(small, quorum=0.8)
    run = small.play(tmp_path, settings=settings, acts=dict.fromkeys((BAD, OTHER), failing_in_round_1))
    first, second = run.report["rounds"]
    assert first["model"] == run.evidence(1)["model"]
    assert first["participants"] == 0
    assert set(first["reward"].values()) == {"0"}
    for client, account in enumerate(small.accounts):
        if client not in (BAD, OTHER):
            assert run.reasons(1, account.address) == ["fewer than the 4 updates that a round needs"]
    assert run.evidence(1)["rewarded_wei"] == "0"
    assert run.evidence(2)["pool_wei"] == str(2000 * WAD)
    assert sum(map(int, second["reward"].values())) == pytest.approx(2000 * WAD)
    assert second["model"] != first["model"]
    assert run.report["ledger"]["verified"] is True


def test_a_run_in_which_nobody_ever_answers_ends_with_its_first_model(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(tmp_path, acts=dict.fromkeys(range(5), failing("not today")))
    assert {row["model"] for row in run.report["rounds"]} == {run.evidence(1)["model"]}
    assert run.report["final"] == {}
    assert run.ledger.unclaimed_wei() == 0


@pytest.mark.parametrize("act", [failing("not today"), answering(RecordDict()), staying_silent])
def test_who_does_not_measure_the_last_model_is_left_out_of_its_mean(
    small: SmallFederation, tmp_path: Path, act: Act
) -> None:
    run = small.play(tmp_path, acts={BAD: in_phase("evaluate", act)})
    assert run.report["final"]["ndcg_at_10"] > 0.2
    check_that_the_honest_are_paid(run, small)
